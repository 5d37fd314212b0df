package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/todoke-dev/todoke"
)

const (
	feedHeartbeat = time.Second
	feedSilence   = 3 * feedHeartbeat // after which a feed is taken for dead
	feedLinger    = 30 * time.Second  // until the server forgets one whose node is gone
)

// A feed is a consumer of the stream that pushes messages here, in order. It acknowledges nothing and is not kept: one that lost
// something is given up, and another begins after the last message that came.
type feed struct {
	e        *Engine
	sub      *nats.Subscription
	msgs     chan *nats.Msg
	closed   chan struct{}
	silence  *time.Timer
	name     string
	matching uint64 // messages that there were when it began
	expected uint64 // the number of the next delivery: one that is missing was lost on the way
}

// What a feed is to give.
type feedConfig struct {
	filter   string // "": everything
	from     todoke.Offset
	newest   bool // only the newest of each subject, whatever from is
	bodiless bool
}

// A fed message. Header and data are as stored.
type fed struct {
	*nats.Msg
	seq     todoke.Offset
	time    time.Time
	pending uint64 // matching messages behind it
}

var (
	errFeedLost   = errors.New("deliveries were lost")
	errFeedSilent = fmt.Errorf("nothing was heard of a consumer for %v", feedSilence)
	errFeedGone   = errors.New("the consumer was deleted")
)

func (e *Engine) openFeed(ctx context.Context, c feedConfig) (*feed, error) {
	f := &feed{e: e, msgs: make(chan *nats.Msg, 512), closed: make(chan struct{}), silence: time.NewTimer(feedSilence), expected: 1}
	inbox := nats.NewInbox()
	// What is not taken yet waits in the client's list, which the server's flow control bounds (32 MiB); a channel of the
	// client's own would drop what does not fit.
	sub, err := e.link.nc.Subscribe(inbox, func(m *nats.Msg) {
		select {
		case f.msgs <- m:
		case <-f.closed:
		}
	})
	if err != nil {
		return nil, err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	config := jetstream.ConsumerConfig{
		DeliverSubject: inbox, FlowControl: true, IdleHeartbeat: feedHeartbeat,
		AckPolicy: jetstream.AckNonePolicy, MaxDeliver: 1,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: feedLinger,
		FilterSubject: c.filter, HeadersOnly: c.bodiless,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(max(c.from, 1)),
	}
	if c.newest {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
	}
	start, cancel := context.WithTimeout(ctx, 2*apiWait)
	defer cancel()
	consumer, err := e.js.CreatePushConsumer(start, e.o.Prefix, config)
	if err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	info := consumer.CachedInfo()
	f.sub, f.name, f.matching = sub, info.Name, info.NumPending+info.Delivered.Consumer
	return f, nil
}

// close ends the feed. The server forgets it at once if it hears of it, else after a while.
func (f *feed) close() {
	close(f.closed)
	f.silence.Stop()
	_ = f.sub.Unsubscribe()
	_ = f.e.link.nc.Publish("$JS.API.CONSUMER.DELETE."+f.e.o.Prefix+"."+f.name, nil)
}

// next returns the next message; after an error the feed is of no more use.
func (f *feed) next(ctx context.Context) (fed, error) {
	for {
		m, err := f.receive(ctx)
		if err != nil {
			return fed{}, err
		}
		if status := get(m.Header, headerStatus); status != "" {
			if err := f.control(m, status); err != nil {
				return fed{}, err
			}
			continue
		}
		about, err := m.Metadata()
		if err != nil {
			return fed{}, fmt.Errorf("a delivery without its numbers: %w", err)
		}
		if about.Sequence.Consumer != f.expected {
			return fed{}, fmt.Errorf("%w: number %d came where %d was due", errFeedLost, about.Sequence.Consumer, f.expected)
		}
		f.expected++
		return fed{m, todoke.Offset(about.Sequence.Stream), about.Timestamp, about.NumPending}, nil
	}
}

// receive takes what is there without a look at the clock, as a busy feed mostly can.
func (f *feed) receive(ctx context.Context) (*nats.Msg, error) {
	select {
	case m := <-f.msgs:
		return m, nil
	default:
	}
	f.silence.Reset(feedSilence)
	select {
	case m := <-f.msgs:
		return m, nil
	case <-f.silence.C:
		return nil, errFeedSilent
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// control answers what the server says between messages.
func (f *feed) control(m *nats.Msg, status string) error {
	if status != statusControl {
		return fmt.Errorf("%w: %s %s", errFeedGone, status, get(m.Header, headerDescription))
	}
	if get(m.Header, headerDescription) == descriptionFlowControl {
		return m.Respond(nil)
	}
	if stalled := get(m.Header, headerConsumerStalled); stalled != "" {
		if err := f.e.link.nc.Publish(stalled, nil); err != nil {
			return err
		}
	}
	if text := get(m.Header, headerLastConsumer); text != "" {
		if last, err := strconv.ParseUint(text, 10, 64); err != nil || last != f.expected-1 {
			return fmt.Errorf("%w: the server sent %s, and %d came", errFeedLost, text, f.expected-1)
		}
	}
	return nil
}
