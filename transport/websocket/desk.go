package websocket

import (
	"context"
	"slices"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/request"
)

// Limits of a session. A subscription has at most todoke.MaxChannels of the channels and patterns.
const (
	MaxSubscriptions   = 100
	MaxSessionChannels = 1000
	// maxFaults is how many frames that cannot be understood end a session.
	maxFaults = 10
	// keptAnswer is how large a buffer may be that a session keeps for its next answer.
	keptAnswer = 4 << 10
)

// A desk is what a session is, on whatever link: its subscriptions, and how requests are carried out. It is used by whoever carries
// them out, one after the other.
type desk struct {
	h             *Handler
	carrier       carrier
	subscriptions map[uint32]*subscription
	owners        map[string]*subscription // by channel or pattern
	faults        int
	text          []byte // room for an answer
}

// A carrier is the session's link. Its errors end the session.
type carrier interface {
	// write sends a text frame. text is not kept.
	write(text []byte) error
	// follow has a subscription read, whose answer was written. told is the position that the answer had.
	follow(u *subscription, told todoke.Position)
	// leave takes channels out of subscriptions and then has the answer written: no message of them comes after it.
	leave(list []leaving, answer func() error) error
}

// A subscription is one of a session's.
type subscription struct {
	id       uint32
	channels []string
	sub      *todoke.Subscription
	reading  *reading   // on goroutines
	pumping  *following // on an evented link
}

// A leaving is what a subscription loses.
type leaving struct {
	from     *subscription
	channels []string
	all      bool // nothing is left of it
}

// serve carries out one request and answers it. An error, which is an *ending, ends the session.
func (d *desk) serve(ctx context.Context, data []byte) error {
	q, err := decodeFrame(data)
	if err == nil {
		err = d.carryOut(ctx, q)
	}
	if err == nil {
		return nil
	}
	if e, ended := err.(*ending); ended {
		return e
	}
	return d.refuse(ctx, q.id, err)
}

// refuse answers a request with an error, and ends the session when it was the last of too many that could not be understood: who
// sends those does not speak this protocol.
func (d *desk) refuse(ctx context.Context, id uint32, err error) error {
	e := todoke.AsError(err)
	if e.Code == todoke.CodeInternal && ctx.Err() == nil { // else the client went
		d.h.o.Logger.ErrorContext(ctx, "a request of a session failed", "error", err)
	}
	if err := d.carrier.write(appendError(nil, id, e)); err != nil {
		return err
	}
	if e.Code == todoke.CodeInvalidFrame {
		if d.faults++; d.faults >= maxFaults {
			return errTooManyFaults
		}
	}
	return nil
}

// carryOut does what a frame asks for and answers it. An *ending is the link's; any other error is the request's, and nothing was
// changed.
func (d *desk) carryOut(ctx context.Context, q sessionFrame) error {
	switch q.kind {
	case kindSubscribe:
		return d.subscribe(ctx, q)
	case kindUnsubscribe:
		return d.unsubscribe(q)
	case kindPublish:
		return d.publish(ctx, q)
	default:
		return d.answer(q.id, append(d.begin(q.id), `"pong":{}`...))
	}
}

// begin begins an answer, {"id":…, and answer ends and writes it. A request without an id gets none.
func (d *desk) begin(id uint32) []byte { return appendHead(d.text[:0], id) }

func (d *desk) answer(id uint32, text []byte) error {
	d.text = text[:0]
	if cap(text) > keptAnswer {
		d.text = nil
	}
	if id == 0 {
		return nil
	}
	return d.carrier.write(append(text, '}'))
}

func (d *desk) subscribe(ctx context.Context, q sessionFrame) error {
	channels := unique(q.channels)
	if err := d.admit(q.id, channels); err != nil {
		return err
	}
	sub, err := d.h.hub.Gate().Subscribe(ctx, channels, q.since)
	if err != nil {
		return inField(err, "channel", "channels")
	}
	at := sub.Position()
	if err := d.answer(q.id, appendSubscribed(d.begin(q.id), channels, at)); err != nil {
		sub.Close()
		return err
	}
	u := &subscription{id: q.id, sub: sub, channels: channels}
	d.keep(u)
	d.carrier.follow(u, at)
	return nil
}

func (d *desk) keep(u *subscription) {
	if d.subscriptions == nil {
		d.subscriptions, d.owners = make(map[uint32]*subscription), make(map[string]*subscription)
	}
	d.subscriptions[u.id] = u
	for _, channel := range u.channels {
		d.owners[channel] = u
	}
}

// unsubscribe takes channels out of the subscriptions that have them.
func (d *desk) unsubscribe(q sessionFrame) error {
	channels := unique(q.channels)
	if len(channels) == 0 {
		return refusal(todoke.CodeInvalidChannel, "channels", "name at least one channel")
	}
	var list []leaving
	for _, channel := range channels {
		owner := d.owners[channel]
		if owner == nil {
			return refusal(todoke.CodeNotSubscribed, "channels", "no subscription of this session has "+clip(channel)+"; name it as it was subscribed to")
		}
		if !slices.ContainsFunc(list, func(l leaving) bool { return l.from == owner }) {
			list = append(list, leaving{from: owner, channels: channels})
		}
	}
	for i := range list {
		list[i].all = d.drop(list[i].from, channels)
	}
	return d.carrier.leave(list, func() error { return d.answer(q.id, appendUnsubscribed(d.begin(q.id), channels)) })
}

// drop takes channels off u, and off the desk; all says that none is left.
func (d *desk) drop(u *subscription, channels []string) (all bool) {
	u.channels = slices.DeleteFunc(u.channels, func(channel string) bool {
		if !slices.Contains(channels, channel) {
			return false
		}
		delete(d.owners, channel)
		return true
	})
	if len(u.channels) > 0 {
		return false
	}
	delete(d.subscriptions, u.id)
	return true
}

// publish takes the same envelope as POST /v1/publish.
func (d *desk) publish(ctx context.Context, q sessionFrame) error {
	messages, single, err := request.ParseEnvelope(q.publish, todoke.MaxBatch)
	if err != nil {
		return err
	}
	if !single {
		results, err := d.h.hub.Gate().PublishBatch(ctx, messages)
		if err != nil {
			return err
		}
		return d.answer(q.id, appendResults(d.begin(q.id), results))
	}
	published, err := d.h.hub.Gate().Publish(ctx, messages[0])
	if err != nil {
		return err
	}
	return d.answer(q.id, appendPublished(d.begin(q.id), published))
}
