package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/todoke-dev/todoke/internal/load/adapter"
	"github.com/todoke-dev/todoke/internal/load/payload"
	"github.com/todoke-dev/todoke/internal/load/wire"
)

// mostRefused is how many refusals end a run: then something is wrong with it, not with the server.
const mostRefused = 1000

// A publisher sends messages on one connection and waits for their answers, which come in the order of the messages.
type publisher struct {
	c      *conn
	number int
	http   *requests // nil: frames
	frames *adapter.Publisher

	// template is a whole request, or a frame's text, whose channel and stamp are overwritten for each message.
	template  []byte
	channelAt []int // where the last eight digits of the channel's name stand
	stampAt   int

	waiting []sent // sent, not answered: a ring
	first   int
	count   int
	due     []int64 // when messages were to be sent that no slot was free for
	turn    int     // counts its messages
	quota   int64   // it may still send, where the plan says how many each channel gets
	frame   []byte  // what came of a frame
}

// A sent is a message that is not answered yet.
type sent struct {
	due     int64
	channel uint32
	lane    uint16
}

// requests is what a publisher over HTTP knows of the answer that it reads.
type requests struct {
	head   []byte
	body   wire.Body
	status int // 0: in the head
	text   []byte
}

func (e *engine) newPublisher(number int, a *adapter.Adapter) (*publisher, error) {
	p := &publisher{number: number}
	name := e.channel(0)
	message := string(e.run.Append(nil, payload.Stamp{}, e.config.Size))
	depth := e.config.Depth
	if a.Publish.Request != nil {
		p.http, depth = new(requests), 1
		p.template = []byte(a.Publish.Request(e.target, name, message))
	} else {
		p.frames = &a.Publish
		p.template = []byte(a.Publish.Frame(name, message))
	}
	p.waiting = make([]sent, depth)
	p.stampAt = bytes.Index(p.template, []byte(message))
	if p.stampAt < 0 || bytes.Count(p.template, []byte(message)) != 1 {
		return nil, fmt.Errorf("%w: the adapter %s does not send a message once and as it is", ErrConfig, a.Name)
	}
	for at := 0; ; {
		i := bytes.Index(p.template[at:], []byte(name))
		if i < 0 {
			break
		}
		at += i + len(name)
		p.channelAt = append(p.channelAt, at-8)
	}
	return p, nil
}

// next chooses the channel and lane of the next message. With at least as many channels as publishers each publisher
// has channels of its own; otherwise each has one, and a lane on it.
func (e *engine) next(p *publisher) (channel uint32, lane uint16) {
	channels, pubs := e.config.Channels, len(e.pubs)
	if channels < pubs {
		return uint32(p.number % channels), uint16(p.number / channels)
	}
	own := (channels - p.number + pubs - 1) / pubs
	n := p.turn % own
	if e.plan.random {
		n = rand.IntN(own)
	}
	p.turn++
	return uint32(p.number + n*pubs), 0
}

// refill sends what may be sent now, in one write.
func (e *engine) refill(p *publisher, now int64) {
	before := len(p.c.out)
	for p.count < len(p.waiting) && p.c.fd >= 0 {
		due := now
		if e.plan.saturated {
			if !e.plan.take(p) {
				break
			}
		} else {
			if len(p.due) == 0 {
				break
			}
			due = p.due[0]
			p.due = p.due[:copy(p.due, p.due[1:])]
			e.plan.queued--
		}
		e.write(p, due)
	}
	if len(p.c.out) > before {
		e.flush(p.c)
	}
}

// write puts one message behind what is to be sent.
func (e *engine) write(p *publisher, due int64) {
	channel, lane := e.next(p)
	slot := int(channel)*e.lanes + int(lane)
	payload.Put(p.template[p.stampAt:], payload.Stamp{Channel: channel, Lane: lane, Number: e.numbers[slot], Due: due})
	e.numbers[slot]++
	for _, at := range p.channelAt {
		putDecimal(p.template[at:at+8], channel)
	}
	p.waiting[(p.first+p.count)%len(p.waiting)] = sent{due, channel, lane}
	p.count++
	e.plan.flying++
	if p.http != nil {
		p.c.out = append(p.c.out, p.template...)
		return
	}
	op := byte(wire.OpText)
	if p.c.link.Binary {
		op = wire.OpBinary
	}
	p.c.out = wire.AppendFrame(p.c.out, op, p.template, maskOf(due))
}

func putDecimal(dst []byte, v uint32) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(v%10)
		v /= 10
	}
}

// acknowledged takes the answer to the oldest message that waits.
func (e *engine) acknowledged(p *publisher, refusal string) error {
	if p.count == 0 {
		return fmt.Errorf("an answer to nothing: %.200s", refusal)
	}
	s := p.waiting[p.first]
	p.first = (p.first + 1) % len(p.waiting)
	p.count--
	e.plan.flying--
	if refusal != "" {
		if p.http != nil {
			e.numbers[int(s.channel)*e.lanes+int(s.lane)]-- // the newest of its lane, and certainly not published
		}
		e.total.refused++
		if e.firstError == "" {
			e.firstError = refusal
		}
		if e.total.refused > mostRefused {
			return fmt.Errorf("more than %d publishes are refused; the first: %s", mostRefused, e.firstError)
		}
		return nil
	}
	e.total.published++
	e.total.due += e.audience[s.channel]
	_ = e.ack.RecordValue(min(e.read-s.due, int64(longest)))
	return nil
}

// answers reads answers to requests.
func (r *requests) answers(e *engine, p *publisher, piece []byte) (err error) {
	for len(piece) > 0 {
		if r.status == 0 {
			if piece, err = r.readHead(piece); err != nil || r.status == 0 {
				return err
			}
		}
		failed := r.status/100 != 2
		piece, err = r.body.Read(piece, func(part []byte) {
			if failed && len(r.text) < 300 {
				r.text = append(r.text, part...)
			}
		})
		if err != nil || !r.body.Done() {
			return err
		}
		refusal := ""
		if failed {
			refusal = fmt.Sprintf("%d: %.300s", r.status, r.text)
		}
		r.status, r.text = 0, r.text[:0]
		if err := e.acknowledged(p, refusal); err != nil {
			return err
		}
	}
	return nil
}

// readHead returns what stands behind the head.
func (r *requests) readHead(piece []byte) ([]byte, error) {
	if len(r.head) > 0 {
		piece = append(r.head, piece...)
	}
	h, n, err := wire.ParseHead(piece)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		r.head = bytes.Clone(piece)
		return nil, nil
	}
	if h.Length < 0 && !h.Chunked {
		return nil, fmt.Errorf("the answer to a publish (%d) has no length; its connection cannot be kept", h.Status)
	}
	r.head, r.status, r.body = nil, h.Status, wire.NewBody(h)
	return piece[n:], nil
}

// answered takes a whole frame that came to a publisher.
func (e *engine) answered(p *publisher) {
	text := p.frame
	for range bytes.Count(text, []byte(p.frames.Ack)) {
		if err := e.acknowledged(p, ""); err != nil {
			e.failure = err
			return
		}
	}
	if p.frames.Refused != "" && bytes.Contains(text, []byte(p.frames.Refused)) {
		if err := e.acknowledged(p, string(text[:min(300, len(text))])); err != nil {
			e.failure = err
		}
	}
	p.frame = p.frame[:0]
}
