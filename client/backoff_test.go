package client

import (
	"net/http"
	"testing"
	"time"
)

func TestBackoffIsFullJitterWithinItsBounds(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: time.Second}
	for failures, limit := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 4: 800 * time.Millisecond, 5: time.Second, 40: time.Second, 1000: time.Second,
	} {
		var least, most time.Duration = time.Hour, 0
		for range 2000 {
			d := b.delay(failures, 0)
			least, most = min(least, d), max(most, d)
		}
		if least > limit/10 || most < limit*9/10 || most > limit {
			t.Errorf("after %d failures: %s to %s, want 0 to %s", failures, least, most, limit)
		}
	}
}

func TestBackoffHonoursWhatTheServerAsksFor(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: time.Second}
	for asked, least := range map[time.Duration]time.Duration{3 * time.Second: 3 * time.Second, 1000 * time.Hour: maxServerDelay} {
		for range 100 {
			if d := b.delay(1, asked); d < least || d > least+b.min {
				t.Errorf("asked for %s, waits %s", asked, d)
			}
		}
	}
	if d := (backoff{}).delay(1, 0); d != 0 {
		t.Error(d)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "soon": 0, "1.5": 0, "99999999999999": 0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
