package nats

import (
	"maps"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/todoke-dev/todoke"
)

// FuzzWire: what is encoded comes back, and what somebody else put into the stream is decoded to something.
func FuzzWire(f *testing.F) {
	f.Add("text/plain", "", "", "", "", int64(0), []byte("x"), `{"t":"a/b"}`)
	f.Add("application/json", " e ", "k\u2028", "h\x00", "v\r\n", int64(time.Hour), []byte{0xff}, `{"l":-1,"h":null}`)
	f.Add("", "é", "<&>", "H", "", int64(-1), []byte(nil), `{`)
	f.Fuzz(func(t *testing.T, kind, event, key, name, value string, ttl int64, data []byte, foreign string) {
		at, now := todoke.Position{Epoch: "e", Offset: 7}, time.Unix(1, 2)
		if m := decode("a", nats.Header{headerMeta: {foreign}}, data, at, now); m.Type == "" || m.TTL < 0 || m.Position != at || string(m.Data) != string(data) {
			t.Errorf("%q is decoded to %+v", foreign, m)
		}
		m := todoke.Message{Channel: "a:b", Data: data, Type: kind, Event: event, Key: key, TTL: time.Duration(ttl), IdempotencyKey: key}
		if name != "" {
			m.Headers = map[string]string{name: value}
		}
		for _, s := range []string{kind, event, key, name, value} {
			for _, r := range s {
				if r < 0x20 || r == 0x7f || r == '\uFFFD' {
					return // no valid message
				}
			}
		}
		if kind == "" || ttl < 0 {
			return
		}
		e := &Engine{o: Options{Prefix: "p", IdempotencyWindow: time.Minute}}
		wire, err := e.encode(&m)
		if err != nil {
			t.Fatal(err)
		}
		back := decode("a:b", wire.Header, wire.Data, at, now)
		if back.Type != m.Type || back.Event != event || back.Key != key || !maps.Equal(back.Headers, m.Headers) || back.TTL != m.TTL || string(back.Data) != string(data) {
			t.Errorf("%+v came back as %+v", m, back)
		}
		if (get(wire.Header, headerMsgID) == "") != (key == "") {
			t.Errorf("the message id is %q", get(wire.Header, headerMsgID))
		}
	})
}
