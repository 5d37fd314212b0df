package enginetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/todoke-dev/todoke"
)

// A fault is one thing that an engine may get wrong, and the scenario that has to notice.
type fault struct {
	name   string
	caught string // scenario
	make   func(a *altered)
}

var faults = []fault{
	{"Read leaves out the last message", "resume at every offset gives exactly the rest", func(a *altered) {
		a.page = func(r todoke.Range, p *todoke.Page) { p.Messages = p.Messages[:max(0, len(p.Messages)-1)] }
	}},
	{"Read never says More", "pages in any size give the whole", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) { p.More = false }
	}},
	{"Read always says More", "pages in any size give the whole", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) { p.More = true }
	}},
	{"Read gives newest pages backwards", "newest pages walk back to the oldest", func(a *altered) {
		a.page = func(r todoke.Range, p *todoke.Page) {
			if r.Newest {
				slices.Reverse(p.Messages)
			}
		}
	}},
	{"Read ignores Newest", "newest pages walk back to the oldest", func(a *altered) {
		a.ask = func(r *todoke.Range) { r.Newest = false }
	}},
	{"Read ignores MaxBytes", "pages in any size give the whole", func(a *altered) {
		a.ask = func(r *todoke.Range) { r.MaxBytes = 0 }
	}},
	{"Read goes beyond UpTo", "every range holds what lies in it", func(a *altered) {
		a.ask = func(r *todoke.Range) { r.UpTo++ }
	}},
	{"Read is late", "what was acknowledged is visible at once", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) {
			p.Messages = slices.DeleteFunc(p.Messages, func(m *todoke.Message) bool { return time.Since(m.Time) < time.Millisecond })
		}
	}},
	{"Read tells no loss", "exactly N behind is no loss, one more is an exact one", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) { p.Lost = todoke.Loss{} }
	}},
	{"a loss is one too large", "retention by messages keeps exactly the newest N", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) {
			if p.Lost.Through > 0 {
				p.Lost.Through++
			}
		}
	}},
	{"every loss is just possible", "retention by messages keeps exactly the newest N", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) { p.Lost.Possible = p.Lost.Through > 0 }
	}},
	{"dropped state is silent", "dropped state is a possible loss for whom it may concern", func(a *altered) {
		a.page = func(_ todoke.Range, p *todoke.Page) {
			if p.Lost.Possible {
				p.Lost = todoke.Loss{}
			}
		}
	}},
	{"dropped state is told to those who have everything", "dropped state is a possible loss for whom it may concern", func(a *altered) {
		a.page = func(r todoke.Range, p *todoke.Page) {
			if len(p.Messages) == 0 && p.Lost == (todoke.Loss{}) {
				p.Lost = todoke.Loss{Through: r.After + 1, Possible: true}
			}
		}
	}},
	{"Channels ignores after", "Channels after an offset gives those with messages after it", func(a *altered) {
		a.list = func(next todoke.Engine, pattern string, _ todoke.Offset) ([]string, todoke.Offset, error) {
			return next.Channels(context.Background(), pattern, 0)
		}
	}},
	{"Channels forgets what was dropped", "many channels are dropped, and none of them is silent", func(a *altered) {
		a.list = func(next todoke.Engine, pattern string, after todoke.Offset) ([]string, todoke.Offset, error) {
			names, _, err := next.Channels(context.Background(), pattern, after)
			return names, 0, err
		}
	}},
	{"Channels takes * for **", "thousands of channels, found by pattern as MatchPattern says", func(a *altered) {
		a.list = func(next todoke.Engine, pattern string, after todoke.Offset) ([]string, todoke.Offset, error) {
			if pattern == "*" {
				pattern = "**"
			}
			return next.Channels(context.Background(), pattern, after)
		}
	}},
	{"keys are forgotten", "a repeated key gives the first result and appends nothing", func(a *altered) {
		a.given = func(m *todoke.Message) { m.IdempotencyKey = "" }
	}},
	{"keys are folded", "keys are compared byte for byte", func(a *altered) {
		a.given = func(m *todoke.Message) { m.IdempotencyKey = strings.ToLower(m.IdempotencyKey) }
	}},
	{"a duplicate has a time of its own", "a repeated key within one batch", func(a *altered) {
		a.result = func(r *todoke.Result) {
			if r.Duplicate {
				r.Time = r.Time.Add(time.Nanosecond)
			}
		}
	}},
	{"a duplicate looks new", "one key from many goroutines is appended once", func(a *altered) {
		a.result = func(r *todoke.Result) { r.Duplicate = false }
	}},
	{"header names are folded", "names and headers are kept byte for byte", func(a *altered) {
		a.given = func(m *todoke.Message) {
			folded := map[string]string{}
			for name, value := range m.Headers {
				folded[strings.ToLower(name)] = value
			}
			m.Headers = folded
		}
	}},
	{"data is trimmed", "empty, binary and odd data", func(a *altered) {
		a.given = func(m *todoke.Message) { m.Data = bytes.TrimSpace(m.Data) }
	}},
	{"a TTL is lost", "expired messages are not read and are no loss", func(a *altered) {
		a.given = func(m *todoke.Message) { m.TTL = 0 }
	}},
	{"one message too many is kept", "retention by messages keeps exactly the newest N", func(a *altered) {
		a.keep = func(r *todoke.Retention) { r.Messages++ }
	}},
	{"bytes are not counted", "retention by bytes keeps exactly the newest that fit", func(a *altered) {
		a.keep = func(r *todoke.Retention) { r.Bytes = -1 }
	}},
	{"headers are not counted", "retention by bytes counts names and headers", func(a *altered) {
		a.keep = func(r *todoke.Retention) { r.Bytes = max(r.Bytes, 1<<20) }
	}},
	{"age is not looked at", "retention by age on an idle channel, and the loss is told", func(a *altered) {
		a.keep = func(r *todoke.Retention) { r.Age = -1 }
	}},
	{"age is a little long", "retention by age to the millisecond", func(a *altered) {
		a.keep = func(r *todoke.Retention) { r.Age += 3 * time.Millisecond }
	}},
	{"all namespaces are one", "dropped state of one namespace is no loss in another", func(a *altered) { a.oneRule = true }},
	{"a cancelled Publish appends", "a cancelled context changes nothing", func(a *altered) {
		a.publish = func(ctx context.Context, next todoke.Engine, batch []*todoke.Message, results []todoke.Result) error {
			return errors.Join(next.Publish(context.WithoutCancel(ctx), batch, results), ctx.Err())
		}
	}},
	{"a failing batch is half appended", "contexts that end at any time leave no half batch", func(a *altered) {
		a.publish = func(ctx context.Context, next todoke.Engine, batch []*todoke.Message, results []todoke.Result) error {
			for i := range batch {
				if err := next.Publish(ctx, batch[i:i+1], results[i:i+1]); err != nil {
					return err
				}
				<-time.After(20 * time.Microsecond) // the fault needs time to show
			}
			return nil
		}
	}},
	{"the slice of results is kept", "the slices of Publish are not kept", func(a *altered) { a.keepsBatch = true }},
	{"Close fails the second time", "Close ends everything and may be called again", func(a *altered) { a.closeOnce = true }},
	{"Head answers after Close", "Close ends everything and may be called again", func(a *altered) { a.lateHead = true }},
	{"what was read is changed", "what was returned is not changed later", func(a *altered) { a.reuses = true }},
	{"Tail leaves out a message", "Tail from every offset gives everything after it once", sinkFault(func(s *badSink, m []*todoke.Message) {
		if s.calls++; s.calls%2 == 1 {
			s.Sink.Apply(m)
		}
	})},
	{"Tail repeats a message", "Tail advances over a quiet log and stays", sinkFault(func(s *badSink, m []*todoke.Message) {
		s.Sink.Apply(m)
		s.Sink.Apply(m[len(m)-1:])
	})},
	{"Tail turns batches round", "a batch is appended in its order", sinkFault(func(s *badSink, m []*todoke.Message) {
		turned := slices.Clone(m)
		slices.Reverse(turned)
		s.Sink.Apply(turned)
	})},
	{"Tail advances too early", "concurrent publishers keep their own order", sinkFault(func(s *badSink, m []*todoke.Message) {
		s.Sink.Advance(m[len(m)-1].Position.Offset)
		s.Sink.Apply(m)
	})},
	{"Tail tells no hole", "Tail from before what is gone is silent about nothing", func(a *altered) {
		a.sink = func(s todoke.Sink) todoke.Sink { return &badSink{Sink: s, noHole: true} }
	}},
	{"Tail's Epoch has another head", "Tail from zero and from another epoch starts at the head", func(a *altered) {
		a.sink = func(s todoke.Sink) todoke.Sink { return &badSink{Sink: s, noHead: true} }
	}},
	{"Tail returns nil", "Tail ends with its context and calls no more", func(a *altered) { a.nilTail = true }},
	{"Tail queues without bound", "a sink that blocks holds back or gets holes, in bounded memory", func(a *altered) {
		a.sink = func(s todoke.Sink) todoke.Sink { return newQueue(s) }
	}},
	{"Tail calls from two goroutines", "a sink that is slow misses nothing silently", sinkFault(func(s *badSink, m []*todoke.Message) {
		applied := make(chan struct{})
		go func() {
			defer close(applied)
			s.Sink.Apply(m)
		}()
		for {
			select {
			case <-applied:
				return
			case <-time.After(100 * time.Microsecond):
				s.Sink.Advance(0)
			}
		}
	})},
}
