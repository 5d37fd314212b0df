package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/todoke-dev/todoke"
)

// A getter asks for stored messages by direct gets. Any replica may answer, and its copy may be a little behind: what comes is
// true, but that nothing comes proves nothing. Answers come on one subscription, made once, so that every server knows of it.
type getter struct {
	nc     *nats.Conn
	stream string
	inbox  string

	mu      sync.Mutex
	next    uint64
	waiting map[string]chan *nats.Msg
}

// Most of one request. A request beyond them is split.
const (
	getMessages = 256
	getBytes    = 4 << 20
	getAtOnce   = 32              // single ones under way
	getWait     = 5 * time.Second // for each answer; the server is silent where it meets a fault
)

func newGetter(nc *nats.Conn, stream string) (*getter, error) {
	g := &getter{nc: nc, stream: stream, inbox: nats.NewInbox() + nuid.Next()[:6] + ".", waiting: map[string]chan *nats.Msg{}}
	sub, err := nc.Subscribe(g.inbox+"*", g.dispatch)
	if err != nil {
		return nil, err
	}
	return g, sub.SetPendingLimits(-1, -1) // bounded by what is asked for
}

func (g *getter) dispatch(m *nats.Msg) {
	token := m.Subject[len(g.inbox):]
	g.mu.Lock()
	answers := g.waiting[token]
	g.mu.Unlock()
	select {
	case answers <- m: // nil when nobody waits any more
	default:
	}
}

// A stored message as it came.
type stored struct {
	subject string
	seq     todoke.Offset
	time    time.Time
	pending uint64 // matching messages after it
	header  nats.Header
	data    []byte
}

// errNotFound: the replica that answered has no such message.
var errNotFound = errors.New("no such message")

// ask sends a request and gives each message to take, until the end of the batch (a request without batch has one message). end
// is the last message of a batch, without data.
func (g *getter) ask(ctx context.Context, request string, batch int, take func(stored)) (end nats.Header, err error) {
	answers := make(chan *nats.Msg, batch+2)
	g.mu.Lock()
	g.next++
	token := strconv.FormatUint(g.next, 36)
	g.waiting[token] = answers
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.waiting, token)
		g.mu.Unlock()
	}()
	if err := g.nc.PublishRequest("$JS.API.DIRECT.GET."+g.stream, g.inbox+token, []byte(request)); err != nil {
		return nil, err
	}
	timer := time.NewTimer(getWait)
	defer timer.Stop()
	for {
		select {
		case m := <-answers:
			switch status := get(m.Header, headerStatus); status {
			case "":
				s, err := readStored(m)
				if err != nil {
					return nil, err
				}
				take(s)
				if batch == 0 {
					return nil, nil
				}
			case statusEnd:
				return m.Header, nil
			case statusNotFound:
				return nil, errNotFound
			case statusNoResponders:
				return nil, nats.ErrNoResponders
			default:
				return nil, fmt.Errorf("a direct get was refused: %s %s", status, get(m.Header, headerDescription))
			}
			timer.Reset(getWait)
		case <-timer.C:
			return nil, fmt.Errorf("a direct get had no answer for %v", getWait)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func readStored(m *nats.Msg) (s stored, err error) {
	s = stored{subject: get(m.Header, headerSubject), header: m.Header, data: m.Data}
	seq, err := strconv.ParseUint(get(m.Header, headerSequence), 10, 63)
	if err != nil {
		return s, fmt.Errorf("a stored message without a sequence: %w", err)
	}
	s.seq = todoke.Offset(seq)
	if s.time, err = time.Parse(time.RFC3339Nano, get(m.Header, headerTimeStamp)); err != nil {
		return s, fmt.Errorf("a stored message without a time: %w", err)
	}
	if text := get(m.Header, headerPending); text != "" {
		s.pending, err = strconv.ParseUint(text, 10, 64)
	}
	return s, err
}

// one returns the message at an offset.
func (g *getter) one(ctx context.Context, at todoke.Offset) (s stored, err error) {
	_, err = g.ask(ctx, fmt.Sprintf(`{"seq":%d}`, at), 0, func(m stored) { s = m })
	return s, err
}

// following returns the first message of a filter from an offset on, whatever it is.
func (g *getter) following(ctx context.Context, filter string, from todoke.Offset) (s stored, err error) {
	_, err = g.ask(ctx, fmt.Sprintf(`{"seq":%d,"next_by_subj":%q}`, from, filter), 0, func(m stored) { s = m })
	return s, err
}

// since returns the first message of a filter from a time on.
func (g *getter) since(ctx context.Context, filter string, from time.Time) (s stored, err error) {
	_, err = g.ask(ctx, fmt.Sprintf(`{"start_time":%q,"next_by_subj":%q}`, from.UTC().Format(time.RFC3339Nano), filter), 0, func(m stored) { s = m })
	return s, err
}

// each gives the messages at the offsets given, those that the replicas that answer have, in any order.
func (g *getter) each(ctx context.Context, at []entry, take func(stored)) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	room := make(chan struct{}, getAtOnce)
	for _, n := range at {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			s, err := g.one(ctx, n.at)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				take(s)
			case !errors.Is(err, errNotFound):
				failed = err
			}
		})
	}
	wg.Wait()
	return failed
}

// batch gives messages of a subject from an offset on, at most getMessages, and returns how many are left in that replica's copy.
func (g *getter) batch(ctx context.Context, subject string, from todoke.Offset, most int, take func(stored)) (pending uint64, err error) {
	most = min(most, getMessages)
	request := fmt.Sprintf(`{"seq":%d,"next_by_subj":%q,"batch":%d,"max_bytes":%d}`, from, subject, most, getBytes)
	end, err := g.ask(ctx, request, most, take)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(get(end, headerPending), 10, 64)
}

// newest returns the offset of a subject's newest message, 0 if there is none, from a copy that goes at least up to the offset
// given. marker is a subject that always has a message.
func (g *getter) newest(ctx context.Context, subject, marker string, least todoke.Offset) (newest todoke.Offset, err error) {
	request := fmt.Sprintf(`{"multi_last":[%q,%q]}`, subject, marker)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		newest = 0
		end, err := g.ask(ctx, request, 4, func(s stored) {
			if s.subject == subject {
				newest = s.seq
			}
		})
		if err == nil {
			upTo, err := strconv.ParseUint(get(end, headerUpTo), 10, 63)
			if err != nil {
				return 0, fmt.Errorf("a direct get does not tell how far it goes: %w", err)
			}
			if todoke.Offset(upTo) >= least {
				return newest, nil
			}
		} else if !errors.Is(err, errNotFound) && !errors.Is(err, nats.ErrNoResponders) {
			return 0, err
		}
		if err := pause(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// data of a stored message is a slice of its own, but its header has what the server added; decode looks at ours only.
func (e *Engine) message(s stored, epoch string) (*todoke.Message, bool) {
	channel, ok := channelOf(e.o.Prefix, s.subject)
	if !ok || strings.ContainsAny(channel, "*>") {
		return nil, false
	}
	return decode(channel, s.header, s.data, todoke.Position{Epoch: epoch, Offset: s.seq}, s.time), true
}
