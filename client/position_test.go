package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

// What a server whose log is in partitions gives: text that this version cannot order. "b" stands in one partition, "c" in another,
// so neither text is behind the other.
const vectorA, vectorB, vectorC = "k-0~1~5.1~1~7", "k-1~1~8.0~1~5", "k-0~1~6.1~1~8"

func TestPositionsOfALogInPartitionsAreSentBack(t *testing.T) {
	message := func(at, text string) string {
		return fmt.Sprintf(`{"id":%q,"channel":"a","type":"text/plain","data":%q}`, at, text)
	}
	page := func(at string, messages ...string) http.HandlerFunc {
		return answerJSON(fmt.Sprintf(`{"messages":[%s],"position":%q,"more":false}`, strings.Join(messages, ","), at))
	}
	gap := fmt.Sprintf("event: todoke.gap\ndata: {\"gap\":{\"channel\":\"a\",\"from\":%q,\"to\":%q}}\n\n", "k-1~1~2", "k-1~1~3")
	for transport, answers := range map[client.Transport][]http.HandlerFunc{
		client.TransportSSE: {
			events("id: "+vectorA+"\n\n"+sseMessage(vectorB, "b"), false),
			events("id: "+vectorB+"\n\n"+gap+sseMessage(vectorC, "c"), true),
		},
		client.TransportPoll: {page(vectorA), page(vectorB, message(vectorB, "b")), page(vectorC, message(vectorC, "c"))},
		client.TransportWebSocket: {
			frames(fmt.Sprintf(`{"position":%q}`, vectorA), message(vectorB, "b")),
			frames(fmt.Sprintf(`{"position":%q}`, vectorB), message(vectorC, "c")),
		},
		client.TransportSession: {
			session("", vectorA, fmt.Sprintf(`{"message":%s}`, message(vectorB, "b"))),
			session(vectorB, vectorB, fmt.Sprintf(`{"message":%s}`, message(vectorC, "c"))),
		},
	} {
		t.Run(string(transport), func(t *testing.T) {
			o := quick()
			f := newFake(t, answers...)
			s := subscribe(t, f, o, transport, todoke.Since{})
			want := []string{"@" + vectorA, "b", "c"}
			if transport == client.TransportSSE {
				want = []string{"@" + vectorA, "b", "gap:k-1~1~2_k-1~1~3", "c"}
			}
			expect(t, s, want...)
			if got := s.Position().String(); got != vectorC {
				t.Errorf("the position is %q", got)
			}
			if asked := sinces(f); transport != client.TransportSession && asked[len(asked)-1] != vectorB {
				t.Errorf("asked since %q", asked)
			}
		})
	}
}

// frames answers with a WebSocket that says this and is cut.
func frames(texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for _, text := range texts {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(text))
		}
		_ = conn.CloseNow()
	}
}

// session answers with a session that takes one subscription, which has to begin at since, opens it at start, says this and is cut.
func session(since, start string, texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		var asked struct {
			ID        uint32
			Subscribe struct{ Since string }
		}
		_, data, err := conn.Read(r.Context())
		if err != nil || json.Unmarshal(data, &asked) != nil || asked.Subscribe.Since != since {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"error":{"code":"invalid_position"}}`))
			return
		}
		texts = append([]string{fmt.Sprintf(`{"id":%d,"subscribed":{"channels":["a"],"position":%q}}`, asked.ID, start)}, texts...)
		for _, text := range texts {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(text))
		}
	}
}
