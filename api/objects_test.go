package api_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/sse"
)

type messageVector struct {
	Name    string       `json:"name"`
	Message givenMessage `json:"message"`
	Wire    struct {
		Object string `json:"object"`
		// The events of a stream, raw and with format=message.
		SSERaw     string `json:"sse_raw"`
		SSEMessage string `json:"sse_message"`
	} `json:"wire"`
}

func loadMessages(t *testing.T) []messageVector {
	t.Helper()
	return *golden[[]messageVector](t, "messages.json")
}

func TestMessages(t *testing.T) {
	vectors := loadMessages(t)
	for i := range vectors {
		v := &vectors[i]
		m := v.Message.message(t)
		same(t, v.Name, frame.AppendMessage(nil, m), &v.Wire.Object)
		same(t, v.Name+" in a stream", frame.Stream{}.AppendMessage(nil, m), &v.Wire.Object)
		if got, want := string(frame.Session{}.AppendMessage(nil, m)), `{"message":`+v.Wire.Object+`}`; got != want {
			t.Errorf("%s in a session:\n got %q\nwant %q", v.Name, got, want)
		}

		var object frame.Message
		unmarshal(t, v.Wire.Object, &object)
		sameMessage(t, v.Name, decoded(t, object), m)
		v.checkSSE(t, m)
	}
}

func (v *messageVector) checkSSE(t *testing.T, m *todoke.Message) {
	t.Helper()
	same(t, v.Name+", raw", sse.Raw{}.AppendMessage(nil, m), &v.Wire.SSERaw)
	same(t, v.Name+" in an event", sse.Message{}.AppendMessage(nil, m), &v.Wire.SSEMessage)
	head := sseEvent{LastEventID: m.Position.String(), Event: cmp.Or(m.Event, "message")}

	raw := head
	raw.Data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(m.Text())
	if !utf8.Valid(m.Data) {
		raw.Data = base64.StdEncoding.EncodeToString(m.Data)
	}
	if events, _ := parseSSE(v.Wire.SSERaw); len(events) != 1 || events[0] != raw {
		t.Errorf("%s, raw, is read as %+v", v.Name, events)
	}

	events, _ := parseSSE(v.Wire.SSEMessage)
	if len(events) != 1 || events[0].LastEventID != head.LastEventID || events[0].Event != head.Event {
		t.Fatalf("%s in an event is read as %+v", v.Name, events)
	}
	var object frame.Message
	unmarshal(t, events[0].Data, &object)
	want := *m
	if m.IsJSON() { // its lines, which can only end between tokens, end with LF
		want.Data = []byte(raw.Data)
	}
	sameMessage(t, v.Name+" in an event", decoded(t, object), &want)
}

func decoded(t *testing.T, object frame.Message) *todoke.Message {
	t.Helper()
	m, err := object.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

type gapVector struct {
	Name string   `json:"name"`
	Gap  givenGap `json:"gap"`
	Wire struct {
		Object string `json:"object"`
		Frame  string `json:"frame"`
		SSE    string `json:"sse"`
	} `json:"wire"`
}

func loadGaps(t *testing.T) []gapVector {
	t.Helper()
	return *golden[[]gapVector](t, "gaps.json")
}

func TestGaps(t *testing.T) {
	vectors := loadGaps(t)
	for i := range vectors {
		v := &vectors[i]
		g := todoke.Gap(v.Gap)
		same(t, v.Name, frame.AppendGap(nil, g), &v.Wire.Object)
		same(t, v.Name+" in a stream", frame.Stream{}.AppendGap(nil, g), &v.Wire.Frame)
		same(t, v.Name+" in a session", frame.Session{}.AppendGap(nil, g), &v.Wire.Frame)
		same(t, v.Name+" in an event", sse.Raw{}.AppendGap(nil, g), &v.Wire.SSE)
		same(t, v.Name+" in an event", sse.Message{}.AppendGap(nil, g), &v.Wire.SSE)
		if events, _ := parseSSE(v.Wire.SSE); len(events) != 1 || events[0] != (sseEvent{Event: sse.EventGap, Data: v.Wire.Frame}) {
			t.Errorf("%s in an event is read as %+v", v.Name, events)
		}

		var back struct{ Gap frame.Gap }
		unmarshal(t, v.Wire.Frame, &back)
		if back.Gap.Decode() != g {
			t.Errorf("%s comes back as %+v", v.Name, back.Gap)
		}
	}
}

type publishedVector struct {
	Name      string          `json:"name"`
	Published frame.Published `json:"published"`
	Wire      string          `json:"wire"`
}

func loadPublished(t *testing.T) []publishedVector {
	t.Helper()
	return *golden[[]publishedVector](t, "published.json")
}

func TestPublished(t *testing.T) {
	vectors := loadPublished(t)
	for i := range vectors {
		v := &vectors[i]
		p := v.Published.Decode()
		same(t, v.Name, frame.AppendPublished(nil, p), &v.Wire)
		var back frame.Published
		unmarshal(t, v.Wire, &back)
		if back.Decode() != p {
			t.Errorf("%s comes back as %+v", v.Name, back)
		}
	}
}

type positionVector struct {
	Position todoke.Position `json:"position"`
	Epoch    string          `json:"epoch"`
	// Offset is text, because a JSON number of this size is not read exactly everywhere.
	Offset       string `json:"offset"`
	Subscription uint32 `json:"subscription"`
	Wire         struct {
		Stream  string `json:"stream"`
		Session string `json:"session"`
	} `json:"wire"`
}

type positionVectors struct {
	Valid   []positionVector `json:"valid"`
	Invalid []string         `json:"invalid"`
	// Reserved are of logs in partitions: clients carry them, this server refuses them.
	Reserved []string `json:"reserved"`
}

func loadPositions(t *testing.T) *positionVectors {
	t.Helper()
	return golden[positionVectors](t, "positions.json")
}

func TestPositions(t *testing.T) {
	vectors := loadPositions(t)
	for i := range vectors.Valid {
		v := &vectors.Valid[i]
		if v.Position.Epoch != v.Epoch || strconv.FormatUint(uint64(v.Position.Offset), 10) != v.Offset {
			t.Errorf("%s is read as epoch %s, offset %d", v.Position, v.Position.Epoch, v.Position.Offset)
		}
		same(t, v.Offset, frame.AppendPosition(nil, v.Position, 0), &v.Wire.Stream)
		same(t, v.Offset, frame.AppendPosition(nil, v.Position, v.Subscription), &v.Wire.Session)
		var back struct {
			Position     todoke.Position
			Subscription uint32
		}
		unmarshal(t, v.Wire.Session, &back)
		if back.Position != v.Position || back.Subscription != v.Subscription {
			t.Errorf("%s comes back as %+v", v.Wire.Session, back)
		}
	}
	for _, text := range vectors.Invalid {
		if p, err := todoke.ParsePosition(text); err == nil {
			t.Errorf("%q is taken, as %s", text, p)
		}
	}
	for _, text := range vectors.Reserved {
		if p, err := todoke.ParsePosition(text); err == nil {
			t.Errorf("%q is taken by a server, as %s", text, p)
		}
		wire := `{"position":"` + text + `"}`
		var back struct{ Position todoke.Position }
		unmarshal(t, wire, &back)
		same(t, text, frame.AppendPosition(nil, back.Position, 0), &wire)
	}
}

type reconnectVector struct {
	Name    string `json:"name"`
	AfterMS int64  `json:"after_ms"`
	Wire    struct {
		Frame string `json:"frame"`
	} `json:"wire"`
}

func loadReconnects(t *testing.T) []reconnectVector {
	t.Helper()
	return *golden[[]reconnectVector](t, "reconnect.json")
}

func TestReconnect(t *testing.T) {
	vectors := loadReconnects(t)
	for i := range vectors {
		v := &vectors[i]
		after := time.Duration(v.AfterMS) * time.Millisecond
		same(t, v.Name, frame.AppendReconnect(nil, after), &v.Wire.Frame)
		var back struct{ Reconnect struct{ After string } }
		unmarshal(t, v.Wire.Frame, &back)
		if d, err := time.ParseDuration(back.Reconnect.After); err != nil || d != after {
			t.Errorf("%s comes back as %s: %v", v.Name, d, err)
		}
	}
}
