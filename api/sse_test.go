package api_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/request"
	"github.com/todoke-dev/todoke/transport/sse"
)

// An sseEvent is an event as an EventSource dispatches it.
type sseEvent struct {
	// LastEventID is the last one when the event came, its own included.
	LastEventID string `json:"last_event_id"`
	Event       string `json:"event"` // "message" where the stream names none
	Data        string `json:"data"`
}

// parseSSE reads a whole stream as WHATWG HTML §9.2.6 has it, written down from there and apart from any client, so that it can
// judge both sides. The id is the one that a client sends back when it reconnects after the end.
func parseSSE(stream string) (events []sseEvent, id string) {
	stream = strings.TrimPrefix(stream, "\uFEFF")
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	lines := strings.Split(stream, "\n")
	var data []string
	event, buffered := "", ""
	for _, line := range lines[:len(lines)-1] { // what is behind the last line end is no line yet
		if line == "" {
			id = buffered
			if data != nil {
				if event == "" {
					event = "message"
				}
				events = append(events, sseEvent{LastEventID: id, Event: event, Data: strings.Join(data, "\n")})
			}
			data, event = nil, ""
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			event = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.Contains(value, "\x00") {
				buffered = value
			}
		}
	}
	return events, id
}

// readSSE reads the vector as a stream, from a real handler.
func (v *readVector) readSSE(t *testing.T, hub *todoke.Hub) {
	t.Helper()
	address := v.serve(t, hub, sse.NewHandler(hub, sse.Options{}).ServeRead)
	stream := get(t, address, func() { hub.Drain(time.Second) })
	same(t, v.Name+", SSE", settle(stream, hub), &v.Wire.SSE.Stream)
	v.Wire.SSE.check(t, v.Name)
	for _, e := range v.Wire.SSE.Events {
		if !v.hasObjects() || strings.HasPrefix(e.Event, todoke.ReservedEventPrefix) {
			continue
		}
		var object frame.Message
		unmarshal(t, e.Data, &object)
		m := decoded(t, object)
		if !m.IsJSON() { // white space between the tokens of JSON may be another
			v.isPublished(t, m)
		}
		if m.Position.String() != e.LastEventID || m.Event != "" && m.Event != e.Event {
			t.Errorf("%s: %+v has the message %s", v.Name, e, e.Data)
		}
	}
}

// hasObjects reports whether the data of the stream's events are message objects.
func (v *readVector) hasObjects() bool {
	if strings.Contains(v.Query, "format=") {
		return strings.Contains(v.Query, "format=message")
	}
	return strings.Contains(v.Query, "*") || strings.Count(v.Query, "channel=") > 1
}

// An sseVector is a stream, and what a client makes of it.
type sseVector struct {
	Stream string     `json:"stream"`
	Events []sseEvent `json:"events"`
	// LastEventID is what a client resumes with after the end of the stream.
	LastEventID string `json:"last_event_id"`
}

func (v *sseVector) check(t *testing.T, name string) {
	t.Helper()
	events, id := parseSSE(v.Stream)
	if *update {
		v.Events, v.LastEventID = events, id
		if v.Events == nil {
			v.Events = []sseEvent{}
		}
	}
	if !slices.Equal(events, v.Events) || id != v.LastEventID {
		t.Errorf("%s: the stream is read as\n     %q, then %s\nwant %q, then %s", name, events, id, v.Events, v.LastEventID)
	}
	if _, err := todoke.ParsePosition(id); err != nil {
		t.Errorf("%s: a client cannot resume: %v", name, err)
	}
}

// TestSSEEndings has the streams that time and misfortune make: an idle one, and one that is cut short by an error.
func TestSSEEndings(t *testing.T) {
	type vector struct {
		Name string `json:"name"`
		// The stream of one channel begins at the head. After IdleSeconds, in which Elsewhere was published on another
		// channel, its hub is closed or, if Drain is true, drained.
		IdleSeconds int       `json:"idle_seconds"`
		Elsewhere   bool      `json:"elsewhere"`
		Drain       bool      `json:"drain"`
		Wire        sseVector `json:"wire"`
	}
	vectors := *golden[[]vector](t, "sse.json")
	for i := range vectors {
		v := &vectors[i]
		synctest.Test(t, func(t *testing.T) {
			hub := newHub(t, todoke.Options{Authorizer: todoke.AllowAll})
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				sse.NewHandler(hub, sse.Options{}).ServeRead(w, r, request.Read{Channels: []string{"a"}})
			}()
			synctest.Wait()
			if v.Elsewhere {
				if _, err := hub.Publish(t.Context(), todoke.Message{Channel: "b"}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			<-time.After(time.Duration(v.IdleSeconds) * time.Second) // of the test's own clock
			synctest.Wait()
			if v.Drain {
				hub.Drain(time.Second)
			} else if err := hub.Close(); err != nil {
				t.Error(err)
			}
			<-ended
			same(t, v.Name, settle(w.Body.String(), hub), &v.Wire.Stream)
			v.Wire.check(t, v.Name)
		})
	}
}
