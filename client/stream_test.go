package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

func subscribe(t *testing.T, f *fake, o client.Options, transport client.Transport, since todoke.Since) *client.Stream {
	t.Helper()
	s, err := newClient(t, f.URL, o).Subscribe(soon(t), client.SubscribeOptions{Channels: []string{"a"}, Since: since, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sinces(f *fake) (all []string) {
	for _, r := range f.requests() {
		all = append(all, r.URL.Query().Get("since"))
	}
	return all
}

func TestStreamCutBeforeTheFirstMessageGoesOnFromTheOpening(t *testing.T) {
	f := newFake(t,
		events("id: k-5\n\n", false),
		events("id: k-5\nevent: todoke.position\ndata: {\"position\":\"k-5\"}\n\n: \nid: k-9\nevent: todoke.position\ndata: {\"position\":\"k-9\"}\n\n", false), // a keep-alive moved us on
		events("id: k-9\n\n"+sseMessage("k-12", "hello"), true))
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.Since{})
	if got := s.Position().String(); got != "k-5" {
		t.Errorf("after Subscribe the position is %q", got)
	}
	expect(t, s, "@k-5", "@k-9", "hello")
	if got := strings.Join(sinces(f), " "); got != " k-5 k-9" {
		t.Errorf("asked since %q", got)
	}
	if got := s.Position().String(); got != "k-12" {
		t.Errorf("the position is %q", got)
	}
}

func TestStreamDropsHalfAnEvent(t *testing.T) {
	half := sseMessage("k-2", "two")
	f := newFake(t,
		events("id: k-0\n\n"+sseMessage("k-1", "one")+half[:len(half)-1], false),
		events("id: k-1\n\n"+half, true))
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.Earliest())
	expect(t, s, "@k-0", "one", "two")
	if got := strings.Join(sinces(f), " "); got != "earliest k-1" {
		t.Errorf("asked since %q", got)
	}
}

func TestStreamTellsAGapOnceWhenItIsCutAfterIt(t *testing.T) {
	gap := "event: todoke.gap\ndata: {\"gap\":{\"channel\":\"a\",\"from\":\"old-3\",\"to\":\"k-9\"}}\n\n"
	f := newFake(t,
		events("id: k-2\n\n", false), // the position of another log, and no notice yet: it must not be forgotten
		events("id: k-2\n\n"+gap, false),
		events("id: k-2\n\n"+gap+sseMessage("k-10", "x"), true))
	start := todoke.Position{Epoch: "old", Offset: 2}
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.After(start))
	expect(t, s, "gap:old-3_k-9", "x")
	if got := strings.Join(sinces(f), " "); got != "old-2 old-2 old-2" {
		t.Errorf("asked since %q", got)
	}
}

func TestStreamReturnsWhatTryingAgainDoesNotCure(t *testing.T) {
	for status, code := range map[int]todoke.Code{
		400: todoke.CodeInvalidChannel, 401: todoke.CodeUnauthenticated, 403: todoke.CodeForbidden, 404: todoke.CodeNotFound,
	} {
		for _, transport := range []client.Transport{client.TransportSSE, client.TransportWebSocket, client.TransportSession, client.TransportPoll, client.TransportLongPoll} {
			f := newFake(t, refuse(status, code))
			_, err := newClient(t, f.URL, quick()).Subscribe(soon(t), client.SubscribeOptions{Channels: []string{"a"}, Transport: transport})
			if !errors.Is(err, code) || todoke.AsError(err).Hint != "what to do" || todoke.AsError(err).Field != "channel" {
				t.Errorf("%s, %d: %v", transport, status, err)
			}
		}
	}
}

func TestStreamFailsForGoodOnce(t *testing.T) {
	f := newFake(t, events("id: k-1\n\n", false), refuse(403, todoke.CodeForbidden))
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.Now())
	expect(t, s, "@k-1", "error forbidden", "error forbidden") // and asks no third time
}

func TestStreamEndsWithTheErrorThatTheServerSends(t *testing.T) {
	f := newFake(t, events("id: k-1\n\nevent: todoke.error\ndata: {\"status\":403,\"code\":\"forbidden\",\"detail\":\"no more\"}\n\n", false))
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.Now())
	expect(t, s, "@k-1", "error forbidden")
}

func TestStreamTriesAgainAfterOverload(t *testing.T) {
	f := newFake(t, refuse(503, todoke.CodeUnavailable), cut, refuse(500, todoke.CodeInternal), refuse(429, todoke.CodeRateLimited), events("id: k-1\n\n", true))
	expect(t, subscribe(t, f, quick(), client.TransportSSE, todoke.Now()), "@k-1")
}

func TestStreamWaitsAsLongAsTheServerSays(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{
		"retry at the end of the stream": events("id: k-1\n\nretry: 150\n", false),
		"Retry-After":                    refuse(503, todoke.CodeRestarting, "Retry-After", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, first, events("id: k-1\n\n"+sseMessage("k-2", "x"), true))
			began := time.Now()
			s := subscribe(t, f, quick(), client.TransportSSE, todoke.Now())
			for next(t, s) != "x" {
			}
			if waited := time.Since(began); waited < 150*time.Millisecond {
				t.Errorf("came again after %s", waited)
			}
		})
	}
}

func TestStreamNoticesASilentServer(t *testing.T) {
	o := quick()
	o.IdleTimeout = 50 * time.Millisecond
	f := newFake(t, events("id: k-1\n\n", true), events("id: k-1\n\n"+sseMessage("k-2", "x"), true))
	expect(t, subscribe(t, f, o, client.TransportSSE, todoke.Now()), "@k-1", "x")
}

func TestStreamOfTooLargeAMessageEnds(t *testing.T) {
	o := quick()
	o.MaxMessageBytes = 1000
	f := newFake(t, events("id: k-1\n\n"+sseMessage("k-2", strings.Repeat("x", 1000)), true))
	expect(t, subscribe(t, f, o, client.TransportSSE, todoke.Now()), "@k-1", "error too_large")
}

func TestAutoFallsBackToLongPolling(t *testing.T) {
	page := answerJSON(`{"messages":[],"position":"k-1","more":false}`)
	for name, first := range map[string]http.HandlerFunc{
		"no event stream": page, "not acceptable": refuse(406, todoke.CodeNotAcceptable), "held back": events("", true),
	} {
		t.Run(name, func(t *testing.T) {
			o := quick()
			o.IdleTimeout = 100 * time.Millisecond
			f := newFake(t, first, page, answerJSON(`{"messages":[{"id":"k-2","channel":"a","data":"x"}],"position":"k-2","more":false}`))
			expect(t, subscribe(t, f, o, client.TransportAuto, todoke.Now()), "@k-1", "x")
		})
	}
}

func TestPollReadsPagesGapsAndRevalidates(t *testing.T) {
	f := newFake(t,
		answerJSON(`{"messages":[{"id":"k-4","channel":"a","data":"four"}],"position":"k-4","more":true,"gap":{"channel":"a","from":"k-1","to":"k-3"}}`),
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `W/"7"`)
			answerJSON(`{"messages":[],"position":"k-4","more":false}`)(w, r)
		},
		func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != `W/"7"` {
				t.Error("it does not revalidate")
			}
			w.Header().Set("Todoke-Position", "k-9")
			w.WriteHeader(http.StatusNotModified)
		},
		answerJSON(`{"messages":[{"id":"k-10","channel":"a","type":"application/json","data":{"x": 1}}],"position":"k-10","more":false}`))
	s, err := newClient(t, f.URL, quick()).Subscribe(soon(t), client.SubscribeOptions{
		Channels: []string{"a"}, Since: todoke.Earliest(), Transport: client.TransportPoll, PollInterval: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, s, "gap:k-1_k-3", "four", "@k-9", `{"x": 1}`)
	if got := strings.Join(sinces(f), " "); got != "earliest k-4 k-4 k-9" {
		t.Errorf("asked since %q", got)
	}
}

func TestNextAfterItsContextEndedLosesNothing(t *testing.T) {
	f := newFake(t, events("id: k-1\n\n", true), events("id: k-1\n\n"+sseMessage("k-2", "x"), true))
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.Now())
	expect(t, s, "@k-1")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	expect(t, s, "x")
}

func TestCloseEndsAWait(t *testing.T) {
	f := newFake(t, events("id: k-1\n\n", true))
	s := subscribe(t, f, quick(), client.TransportSSE, todoke.Now())
	expect(t, s, "@k-1")
	ended := make(chan error, 1)
	go func() {
		_, err := s.Next(context.Background())
		ended <- err
	}()
	s.Close()
	if err := <-ended; !errors.Is(err, todoke.CodeClosed) {
		t.Error(err)
	}
	s.Close()
}

func TestSubscribeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := newClient(t, "http://127.0.0.1:1", quick()).Subscribe(ctx, client.SubscribeOptions{Channels: []string{"a"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestSubscribeOptionsAreChecked(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1", quick())
	for want, o := range map[todoke.Code][]client.SubscribeOptions{
		todoke.CodeInvalidParameter: {{}, {Channels: []string{"a"}, Transport: "pigeon"}, {Channels: []string{"a"}, PollInterval: -1}},
		todoke.CodeInvalidChannel:   {{Channels: []string{"a/b"}}, {Channels: []string{""}}},
		todoke.CodeTooManyChannels:  {{Channels: make([]string, todoke.MaxChannels+1)}},
	} {
		for _, options := range o {
			if _, err := c.Subscribe(t.Context(), options); !errors.Is(err, want) {
				t.Errorf("%+v: %v, want %s", options, err, want)
			}
		}
	}
}

func TestNewChecksItsURL(t *testing.T) {
	for _, url := range []string{"", "localhost:7070", "ftp://x", "http://", "http://h?x=1", "http://u:secret@h", "http://h\x00"} {
		_, err := client.New(url, client.Options{})
		if !errors.Is(err, todoke.CodeInvalidParameter) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := client.New("https://example.org/prefix/", client.Options{}); err != nil {
		t.Error(err)
	}
}
