package websocket_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket"
)

func TestStreamOpensWithItsPositionAndThenSendsWhatIsPublished(t *testing.T) {
	onBoth(t, testStreamOpensWithItsPositionAndThenSendsWhatIsPublished)
}

func testStreamOpensWithItsPositionAndThenSendsWhatIsPublished(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	s.publish("news", "before")
	p := s.dial("/stream?channel=news", nil)
	p.want(`{"position":"E-1"}`)
	s.publish("other", "not for it")
	s.publish("news", "live")
	p.want(message("3", "news", "live"))
}

func TestStreamStartsWhereSinceSays(t *testing.T) { onBoth(t, testStreamStartsWhereSinceSays) }

func testStreamStartsWhereSinceSays(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	for _, data := range []string{"one", "two", "three"} {
		s.publish("news", data)
	}
	epoch := s.hub.Head().Epoch
	all := []string{message("1", "news", "one"), message("2", "news", "two"), message("3", "news", "three")}
	for _, c := range []struct {
		name, query string
		header      http.Header
		want        []string
	}{
		{"earliest", "&since=earliest", nil, append([]string{`{"position":"E-0"}`}, all...)},
		{"a position", "&since=" + epoch + "-1", nil, append([]string{`{"position":"E-1"}`}, all[1:]...)},
		{"Last-Event-ID", "&since=earliest", http.Header{"Last-Event-Id": {epoch + "-2"}}, append([]string{`{"position":"E-2"}`}, all[2:]...)},
		{"last=1", "&since=last%3D1", nil, append([]string{`{"position":"E-2"}`}, all[2:]...)},
		{"another epoch", "&since=zzz-7", nil, append([]string{`{"position":"E-0"}`, `{"gap":{"channel":"news","from":"zzz-7","to":"E-0","possible":true}}`}, all...)},
		{"several channels", "&channel=more:*&since=earliest", nil, append([]string{`{"position":"E-0"}`}, all...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &site{t: t, hub: s.hub, server: s.server}
			s.dial("/stream?channel=news"+c.query, c.header).want(c.want...)
		})
	}
}

func TestStreamTellsOfAGapBeforeWhatIsLeft(t *testing.T) {
	onBoth(t, testStreamTellsOfAGapBeforeWhatIsLeft)
}

func testStreamTellsOfAGapBeforeWhatIsLeft(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 2}}}, websocket.Options{})
	for _, data := range []string{"1", "2", "3", "4"} {
		s.publish("news", data)
	}
	p := s.dial("/stream?channel=news&since="+s.hub.Head().Epoch+"-0", nil)
	p.want(`{"position":"E-0"}`, `{"gap":{"channel":"news","from":"E-1","to":"E-2"}}`, message("3", "news", "3"), message("4", "news", "4"))
}

func TestStreamTellsItsPositionWhenItMovedWhileIdle(t *testing.T) {
	onBoth(t, testStreamTellsItsPositionWhenItMovedWhileIdle)
}

func testStreamTellsItsPositionWhenItMovedWhileIdle(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{KeepAlive: 50 * time.Millisecond})
	p := s.dial("/stream?channel=news", nil)
	p.want(`{"position":"E-0"}`)
	s.publish("other", "x")
	p.want(`{"position":"E-1"}`)
	s.publish("other", "y") // and only when it moved: nothing but this one comes
	p.want(`{"position":"E-2"}`)
}

func TestStreamCarriesLargeMessagesWholeAndInOrder(t *testing.T) {
	onBoth(t, testStreamCarriesLargeMessagesWholeAndInOrder)
}

func testStreamCarriesLargeMessagesWholeAndInOrder(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	p := s.dial("/stream?channel=news", nil)
	p.want(`{"position":"E-0"}`)
	sizes := []int{1, 125, 126, 4095, 4096, 4097, 32 << 10, 64<<10 + 1, 1 << 20, 3}
	go func() {
		for _, n := range sizes {
			_, _ = s.hub.Publish(context.Background(), todoke.Message{Channel: "news", Data: []byte(strings.Repeat("é", n/2) + strings.Repeat("x", n%2))})
		}
	}()
	for i, n := range sizes {
		got := s.plain(p.next())
		want := message(strconv.Itoa(i+1), "news", strings.Repeat("é", n/2)+strings.Repeat("x", n%2))
		if got != want {
			t.Fatalf("message %d of %d bytes: got %d bytes, want %d", i+1, n, len(got), len(want))
		}
	}
}

func TestStreamEndsWithPolicyViolationWhenTheClientTalks(t *testing.T) {
	onBoth(t, testStreamEndsWithPolicyViolationWhenTheClientTalks)
}

func testStreamEndsWithPolicyViolationWhenTheClientTalks(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	for _, kind := range []coder.MessageType{coder.MessageText, coder.MessageBinary} {
		p := s.dial("/stream?channel=news", nil)
		p.sendAs(kind, "hello")
		p.wantClose(coder.StatusPolicyViolation)
	}
	s.awaitHandlers()
}

func TestStreamIsSentElsewhereWhenTheHubDrains(t *testing.T) {
	onBoth(t, testStreamIsSentElsewhereWhenTheHubDrains)
}

func testStreamIsSentElsewhereWhenTheHubDrains(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	p := s.dial("/stream?channel=news", nil)
	p.want(`{"position":"E-0"}`)
	s.publish("news", "last words")
	s.hub.Drain(0)
	p.want(message("1", "news", "last words"), `{"reconnect":{"after":"0.000s"}}`)
	p.wantClose(coder.StatusServiceRestart)
	s.awaitHandlers()

	q := s.dial2(t, "/stream?channel=news")
	if q.StatusCode != http.StatusServiceUnavailable || q.Header.Get("Retry-After") == "" {
		t.Errorf("a new stream got %d, Retry-After %q", q.StatusCode, q.Header.Get("Retry-After"))
	}
}

func TestStreamEndsWhenTheHubIsClosed(t *testing.T) { onBoth(t, testStreamEndsWhenTheHubIsClosed) }

func testStreamEndsWhenTheHubIsClosed(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	p := s.dial("/stream?channel=news", nil)
	p.want(`{"position":"E-0"}`)
	if err := s.hub.Close(); err != nil {
		t.Fatal(err)
	}
	p.wantClose(coder.StatusGoingAway)
}

func TestAPeerThatAnswersPingsIsKeptAndASilentOneIsCut(t *testing.T) {
	onBoth(t, testAPeerThatAnswersPingsIsKeptAndASilentOneIsCut)
}

func testAPeerThatAnswersPingsIsKeptAndASilentOneIsCut(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{KeepAlive: 100 * time.Millisecond})
	for _, path := range []string{"/stream?channel=news", "/session"} {
		t.Run(path, func(t *testing.T) {
			s := &site{t: t, hub: s.hub, server: s.server}
			silent := s.raw(path)
			pings := 0
			for {
				f, err := silent.readFrame()
				if err != nil {
					break // cut, without a close frame: nobody is there to read it
				}
				if f.opcode == opPing {
					pings++
				}
				if f.opcode == opClose {
					t.Error("a close frame came")
				}
			}
			if pings != 1 {
				t.Errorf("%d pings came to the silent peer, want 1", pings)
			}
			answering := s.raw(path)
			for range 6 { // far more than a silent one gets
				for {
					f, err := answering.readFrame()
					if err != nil {
						t.Fatal("the answering peer was cut: ", err)
					}
					if f.opcode == opPing {
						answering.write(masked(fin|opPong, f.payload))
						break
					}
				}
			}
		})
	}
}

func TestASlowStreamIsBoundedByTheWriteTimeout(t *testing.T) {
	onBoth(t, testASlowStreamIsBoundedByTheWriteTimeout)
}

func testASlowStreamIsBoundedByTheWriteTimeout(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{WriteTimeout: 50 * time.Millisecond})
	s.narrow.Store(true)
	p := s.raw("/stream?channel=news") // and never reads again
	if f, err := p.readFrame(); err != nil || f.opcode != opText {
		t.Fatal(f, err)
	}
	for range 8 {
		s.publish("news", strings.Repeat("x", 1<<20))
	}
	s.awaitHandlers()
}

func TestServeServesTheChannelsOfItsCaller(t *testing.T) {
	onBoth(t, testServeServesTheChannelsOfItsCaller)
}

func testServeServesTheChannelsOfItsCaller(t *testing.T, links kind) {
	denied := todoke.AuthorizerFunc(func(context.Context, todoke.Access) error { return todoke.CodeForbidden })
	s := newSite(t, links, todoke.Options{Authorizer: denied}, websocket.Options{})
	s.publish("own", "first")
	s.publish("secret", "s")
	p := s.dial("/own?channel=secret&since=earliest", nil)
	p.want(`{"position":"E-0"}`, message("1", "own", "first"))
	s.publish("own", "second")
	p.want(message("3", "own", "second"))
}

func TestStreamEndsWithItsClient(t *testing.T) { onBoth(t, testStreamEndsWithItsClient) }

func testStreamEndsWithItsClient(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	for _, path := range []string{"/stream?channel=news", "/session"} {
		p := s.dial(path, nil)
		if err := p.ws.Close(coder.StatusNormalClosure, "done"); err != nil {
			t.Errorf("%s: close: %v", path, err)
		}
		q := s.dial(path, nil)
		_ = q.ws.CloseNow()
	}
	s.awaitHandlers()
}

func TestAConnectionCutInMidFrameEnds(t *testing.T) { onBoth(t, testAConnectionCutInMidFrameEnds) }

func testAConnectionCutInMidFrameEnds(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	request := masked(fin|opText, padded(200))
	for _, path := range []string{"/stream?channel=news", "/session"} {
		for _, n := range []int{1, 2, 3, 7, 100} {
			p := s.raw(path)
			p.write(request[:n])
			_ = p.conn.Close()
		}
	}
	s.awaitHandlers()
}

func TestAStoreThatFailsEndsTheStreamWithTryAgainLater(t *testing.T) {
	onBoth(t, testAStoreThatFailsEndsTheStreamWithTryAgainLater)
}

func testAStoreThatFailsEndsTheStreamWithTryAgainLater(t *testing.T, links kind) {
	failing := &failingEngine{Engine: todoke.NewMemory(todoke.MemoryOptions{})}
	s := newSite(t, links, todoke.Options{Engine: failing, Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 10_000}}}, websocket.Options{})
	for range 3 {
		s.publish("news", "x")
	}
	failing.fail.Store(true)
	p := s.dial("/stream?channel=news&since="+s.hub.Head().Epoch+"-0", nil)
	p.wantClose(coder.StatusTryAgainLater)

	p = s.dial("/session", nil)
	p.send(`{"id":1,"subscribe":{"channels":["news"],"since":"` + s.hub.Head().Epoch + `-0"}}`)
	p.wantClose(coder.StatusTryAgainLater)
}

var errStore = errors.New("the store is on fire")
