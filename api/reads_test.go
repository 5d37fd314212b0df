package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/poll"
	"github.com/todoke-dev/todoke/transport/request"
	"github.com/todoke-dev/todoke/transport/websocket"
)

// A readVector is one log, read in one way, over each transport. The streams end because the node stops.
type readVector struct {
	Name  string `json:"name"`
	Query string `json:"query"`
	// Retain is how many messages a channel keeps. 0: the default.
	Retain  int            `json:"retain,omitempty"`
	Publish []givenPublish `json:"publish"`
	Wire    struct {
		Poll      string    `json:"poll"`
		SSE       sseVector `json:"sse"`
		WebSocket []string  `json:"websocket"`
	} `json:"wire"`
}

func loadReads(t *testing.T) []readVector {
	t.Helper()
	return *golden[[]readVector](t, "reads.json")
}

// TestReads reads from real handlers.
func TestReads(t *testing.T) {
	vectors := loadReads(t)
	for i := range vectors {
		v := &vectors[i]
		v.readPoll(t, v.newLog(t))
		v.readSSE(t, v.newLog(t))
		v.readWebSocket(t, v.newLog(t))
	}
}

// newLog returns a hub with the vector's messages.
func (v *readVector) newLog(t *testing.T) *todoke.Hub {
	t.Helper()
	hub := newHub(t, todoke.Options{Authorizer: todoke.AllowAll, Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: v.Retain}}})
	for _, m := range v.Publish {
		_, err := hub.Publish(t.Context(), todoke.Message{Channel: m.Channel, Event: m.Event, Key: m.Key, Type: m.Type, Headers: m.Headers, Data: m.bytes(t)})
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
	}
	return hub
}

// serve serves the vector's query with one of the transports and returns its address.
func (v *readVector) serve(t *testing.T, hub *todoke.Hub, read func(http.ResponseWriter, *http.Request, request.Read)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := request.ParseRead(r, nil)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			return
		}
		read(w, r, asked)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/?" + strings.ReplaceAll(v.Query, "k3f9-", hub.Head().Epoch+"-")
}

func (v *readVector) readPoll(t *testing.T, hub *todoke.Hub) {
	t.Helper()
	body := get(t, v.serve(t, hub, poll.NewHandler(hub, poll.Options{}).ServeRead), func() {})
	same(t, v.Name+", poll", settle(body, hub), &v.Wire.Poll)
	var page frame.Page
	unmarshal(t, v.Wire.Poll, &page)
	if page.Position.IsZero() {
		t.Errorf("%s: a page without a position", v.Name)
	}
	for _, object := range page.Messages {
		v.isPublished(t, decoded(t, object))
	}
}

// isPublished reports a message that is not the one the vector published there.
func (v *readVector) isPublished(t *testing.T, m *todoke.Message) {
	t.Helper()
	p := v.Publish[m.Position.Offset-1]
	sameMessage(t, v.Name, m, &todoke.Message{
		Channel: p.Channel, Event: p.Event, Key: p.Key, Type: p.Type, Headers: p.Headers, Data: p.bytes(t), Position: m.Position, Time: m.Time,
	})
}

func (v *readVector) readWebSocket(t *testing.T, hub *todoke.Hub) {
	t.Helper()
	address := v.serve(t, hub, websocket.NewHandler(hub, websocket.Options{}).ServeStream)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ws, _, err := coder.Dial(ctx, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	var frames []string
	for {
		_, text, err := ws.Read(ctx)
		if err != nil {
			if coder.CloseStatus(err) != coder.StatusServiceRestart {
				t.Errorf("%s: the stream ends with %v", v.Name, err)
			}
			break
		}
		if frames = append(frames, settle(string(text), hub)); len(frames) == 1 {
			hub.Drain(time.Second) // once the reader has everything it is sent elsewhere
		}
	}
	if *update {
		v.Wire.WebSocket = frames
	}
	if got, want := strings.Join(frames, "\n"), strings.Join(v.Wire.WebSocket, "\n"); got != want {
		t.Errorf("%s, WebSocket:\n got %s\nwant %s", v.Name, got, want)
	}
	for _, text := range frames {
		if strings.HasPrefix(text, `{"id":`) {
			var object frame.Message
			unmarshal(t, text, &object)
			v.isPublished(t, decoded(t, object))
		}
	}
}

// get returns the body of an answer; begun is called when its head has come.
func get(t *testing.T, address string, begun func(), headers ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	begun()
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", res.Status, err, body)
	}
	return string(body)
}
