package load

import (
	"errors"
	"fmt"

	"github.com/todoke-dev/todoke/internal/load/wire"
)

var errEnded = errors.New("the server ended it")

var _ wire.FrameSink = (*engine)(nil)

// Data takes a piece of a message of the current connection.
func (e *engine) Data(piece []byte) { e.data(piece) }

// Frame takes the end of a data frame.
func (e *engine) Frame(final bool) {
	c := e.current
	if !final {
		return
	}
	switch {
	case c.pub != nil && c.state == ready:
		e.answered(c.pub)
	case c.track != nil && c.state == ready:
		e.trackedFrame(c)
	}
}

// Control answers pings (RFC 6455 §5.5.2) and takes a close.
func (e *engine) Control(opcode byte, payload []byte) {
	c := e.current
	switch opcode {
	case wire.OpPing:
		if c.fd >= 0 {
			e.send(c, wire.AppendFrame(nil, wire.OpPong, payload, maskOf(e.now())))
		}
	case wire.OpClose:
		reason := ""
		code := 1005 // §7.1.5: there was none
		if len(payload) >= 2 {
			code, reason = int(payload[0])<<8|int(payload[1]), string(payload[2:])
		}
		if c.fd >= 0 {
			e.fail(c, fmt.Errorf("the server closed it: %d %s", code, reason))
		}
	}
}
