package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxServerDelay bounds how long a server, or who poses as one, can make us wait.
const maxServerDelay = 10 * time.Minute

// A backoff says how long to wait before an attempt. Full jitter spreads the clients of a server that came back
// over the whole interval; equal or no jitter lets them come in waves.
type backoff struct{ min, max time.Duration }

// delay returns the wait before the attempt that follows failures (1 or more) in a row. asked is what the server asked for:
// then that is the least, and the jitter comes on top of it, for a Retry-After is the same for everybody.
func (b backoff) delay(failures int, asked time.Duration) time.Duration {
	limit := b.max
	if shift := failures - 1; shift < 32 && b.min<<shift < b.max && b.min<<shift > 0 {
		limit = b.min << shift
	}
	if asked > 0 {
		return min(asked, maxServerDelay) + jitter(min(limit, b.min))
	}
	return jitter(limit)
}

func jitter(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit)
}

// sleep waits for d, or until ctx ends; then it returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
