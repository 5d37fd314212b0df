package enginetest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/todoke-dev/todoke"
)

// An altered engine is a sound one with faults put in; a nil field alters nothing.
type altered struct {
	todoke.Engine
	given   func(m *todoke.Message) // before it is published
	publish func(ctx context.Context, next todoke.Engine, batch []*todoke.Message, results []todoke.Result) error
	result  func(r *todoke.Result)
	ask     func(r *todoke.Range)
	page    func(r todoke.Range, p *todoke.Page)
	list    func(next todoke.Engine, pattern string, after todoke.Offset) ([]string, todoke.Offset, error)
	keep    func(r *todoke.Retention)
	sink    func(s todoke.Sink) todoke.Sink

	oneRule    bool // one retention pointer for all namespaces
	keepsBatch bool // gives the next publish the results of the one before
	closeOnce  bool
	lateHead   bool
	nilTail    bool
	reuses     bool // changes the messages of the page before

	mu     sync.Mutex
	last   []todoke.Result
	read   []*todoke.Message
	closed atomic.Int32
}

var _ todoke.Engine = (*altered)(nil)

func (a *altered) Open(ctx context.Context, retention func(string) *todoke.Retention) error {
	rules := map[*todoke.Retention]*todoke.Retention{}
	var one *todoke.Retention
	return a.Engine.Open(ctx, func(channel string) *todoke.Retention {
		r := retention(channel)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.oneRule {
			if one == nil {
				one = &todoke.Retention{Messages: 1000, Bytes: -1, Age: r.Age}
				one.Age = 400_000_000
			}
			return one
		}
		if rules[r] == nil {
			changed := *r
			if a.keep != nil {
				a.keep(&changed)
			}
			rules[r] = &changed
		}
		return rules[r]
	})
}

func (a *altered) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	if a.given != nil {
		for _, m := range batch {
			a.given(m)
		}
	}
	if a.reuses {
		a.mu.Lock()
		for _, m := range a.read {
			m.Data = nil
		}
		a.mu.Unlock()
	}
	publish := a.publish
	if publish == nil {
		publish = func(ctx context.Context, next todoke.Engine, batch []*todoke.Message, results []todoke.Result) error {
			return next.Publish(ctx, batch, results)
		}
	}
	err := publish(ctx, a.Engine, batch, results)
	if a.result != nil {
		for i := range results {
			a.result(&results[i])
		}
	}
	if a.keepsBatch {
		a.mu.Lock()
		if a.last != nil {
			copy(results, a.last)
		}
		a.last = results
		a.mu.Unlock()
	}
	return err
}

func (a *altered) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	asked := r
	if a.ask != nil {
		a.ask(&asked)
	}
	p, err := a.Engine.Read(ctx, asked)
	if err == nil && a.page != nil {
		a.page(r, &p)
	}
	a.mu.Lock()
	a.read = p.Messages
	a.mu.Unlock()
	return p, err
}

func (a *altered) Channels(ctx context.Context, pattern string, after todoke.Offset) ([]string, todoke.Offset, error) {
	if a.list == nil {
		return a.Engine.Channels(ctx, pattern, after)
	}
	return a.list(a.Engine, pattern, after)
}

func (a *altered) Head(ctx context.Context) (todoke.Position, error) {
	p, err := a.Engine.Head(ctx)
	if a.lateHead && errors.Is(err, todoke.CodeClosed) {
		return todoke.Position{Epoch: "late"}, nil
	}
	return p, err
}

func (a *altered) Tail(ctx context.Context, from todoke.Position, sink todoke.Sink) error {
	if a.sink != nil {
		sink = a.sink(sink)
	}
	err := a.Engine.Tail(ctx, from, sink)
	if a.nilTail {
		return nil
	}
	return err
}

func (a *altered) Close() error {
	if a.closed.Add(1) > 1 && a.closeOnce {
		return errors.New("closed already")
	}
	return a.Engine.Close()
}

// A badSink stands between an engine and the suite's sink.
type badSink struct {
	todoke.Sink
	apply  func(s *badSink, m []*todoke.Message)
	calls  int
	noHole bool
	noHead bool
}

// sinkFault alters how messages are applied.
func sinkFault(apply func(s *badSink, m []*todoke.Message)) func(a *altered) {
	return func(a *altered) {
		a.sink = func(s todoke.Sink) todoke.Sink { return &badSink{Sink: s, apply: apply} }
	}
}

func (s *badSink) Epoch(id string, head todoke.Offset) {
	if s.noHead {
		head = 0
	}
	s.Sink.Epoch(id, head)
}

func (s *badSink) Apply(m []*todoke.Message) {
	if s.apply == nil {
		s.Sink.Apply(m)
		return
	}
	s.apply(s, m)
}

func (s *badSink) Hole(from, to todoke.Offset) {
	if !s.noHole {
		s.Sink.Hole(from, to)
	}
}

// A queue takes everything at once and hands it on when the sink has time: memory without bound.
type queue struct {
	mu    sync.Mutex
	calls []func(todoke.Sink)
	busy  bool
	sink  todoke.Sink
}

func newQueue(s todoke.Sink) *queue { return &queue{sink: s} }

// add queues a call and sees to it that somebody makes it.
func (q *queue) add(call func(todoke.Sink)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, call)
	if !q.busy {
		q.busy = true
		go q.run()
	}
}

func (q *queue) run() {
	for {
		q.mu.Lock()
		if len(q.calls) == 0 {
			q.busy = false
			q.mu.Unlock()
			return
		}
		call := q.calls[0]
		q.calls = q.calls[1:]
		q.mu.Unlock()
		call(q.sink)
	}
}

func (q *queue) Epoch(id string, head todoke.Offset) {
	q.add(func(s todoke.Sink) { s.Epoch(id, head) })
}

func (q *queue) Apply(batch []*todoke.Message) {
	batch = append([]*todoke.Message(nil), batch...)
	q.add(func(s todoke.Sink) { s.Apply(batch) })
}

func (q *queue) Advance(head todoke.Offset) { q.add(func(s todoke.Sink) { s.Advance(head) }) }

func (q *queue) Hole(from, to todoke.Offset) { q.add(func(s todoke.Sink) { s.Hole(from, to) }) }
