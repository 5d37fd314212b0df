package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket"
)

// An exchange is one frame from the client and the frames that come for it, in order.
type exchange struct {
	Name string   `json:"name"`
	Send string   `json:"send"`
	Get  []string `json:"get"`
}

// TestSession holds a session with a real server: it has one conversation, and says each thing that is refused in a session of its own.
func TestSession(t *testing.T) {
	vectors := golden[struct {
		Conversation []exchange `json:"conversation"`
		Refused      []exchange `json:"refused"`
	}](t, "session.json")
	hub := newHub(t, todoke.Options{Authorizer: todoke.AllowAll})
	address := serveSessions(t, hub)

	talk := dial(t, address, hub)
	for i := range vectors.Conversation {
		talk.exchange(t, &vectors.Conversation[i])
	}
	for i := range vectors.Refused {
		dial(t, address, hub).exchange(t, &vectors.Refused[i])
	}
	for _, v := range vectors.Refused {
		if len(v.Get) != 1 || !strings.Contains(v.Get[0], `"error":{"code":"`) {
			t.Errorf("%s: it is not refused: %s", v.Name, v.Get)
		}
	}
}

func newHub(t *testing.T, o todoke.Options) *todoke.Hub {
	t.Helper()
	hub, err := todoke.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	})
	return hub
}

// serveSessions serves sessions of the hub and returns their address.
func serveSessions(t *testing.T, hub *todoke.Hub) string {
	t.Helper()
	handler := websocket.NewHandler(hub, websocket.Options{})
	server := httptest.NewServer(http.HandlerFunc(handler.ServeSession))
	t.Cleanup(server.Close)
	return server.URL
}

// A talk is a session as a client has it.
type talk struct {
	ws  *coder.Conn
	hub *todoke.Hub
}

func dial(t *testing.T, address string, hub *todoke.Hub) *talk {
	t.Helper()
	ws, _, err := coder.Dial(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &talk{ws: ws, hub: hub}
}

// exchange sends the vector's frame and compares what comes with the vector's.
func (k *talk) exchange(t *testing.T, v *exchange) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := k.ws.Write(ctx, coder.MessageText, []byte(v.Send)); err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	for i := range v.Get {
		kind, text, err := k.ws.Read(ctx)
		if err != nil {
			t.Fatalf("%s: frame %d of %d: %v", v.Name, i+1, len(v.Get), err)
		}
		if kind != coder.MessageText {
			t.Errorf("%s: a frame that is not text", v.Name)
		}
		same(t, v.Name, settle(string(text), k.hub), &v.Get[i])
	}
}

var (
	aTime  = regexp.MustCompile(`"time":"[0-9T:.-]+Z"`)
	aDelay = regexp.MustCompile(`"after":"[0-9]+\.[0-9]{3}s"|retry: [0-9]+`)
)

// settle gives what a live server sent the epoch, the times and the delay that stand in the vectors.
func settle(text string, hub *todoke.Hub) string {
	text = strings.ReplaceAll(text, hub.Head().Epoch+"-", "k3f9-")
	text = aTime.ReplaceAllString(text, `"time":"2026-11-23T19:01:43.123456789Z"`)
	return aDelay.ReplaceAllStringFunc(text, func(delay string) string {
		if strings.HasPrefix(delay, "retry") {
			return "retry: 2140"
		}
		return `"after":"2.140s"`
	})
}
