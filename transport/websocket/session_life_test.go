package websocket_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket"
)

func TestASessionIsSentElsewhereWhenTheHubDrains(t *testing.T) {
	onBoth(t, testASessionIsSentElsewhereWhenTheHubDrains)
}

func testASessionIsSentElsewhereWhenTheHubDrains(t *testing.T, links kind) {
	for name, subscriptions := range map[string]int{"without subscriptions": 0, "with one": 1, "with three": 3} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, links, todoke.Options{}, websocket.Options{})
			p := s.dial("/session", nil)
			for i := 1; i <= subscriptions; i++ {
				p.send(fmt.Sprintf(`{"id":%d,"subscribe":{"channels":["c:%d"]}}`, i, i))
				p.next()
			}
			p.send(`{"id":9,"ping":{}}`)
			p.want(`{"id":9,"pong":{}}`)
			if subscriptions > 0 {
				s.publish("c:1", "last words")
			}
			s.hub.Drain(0)
			if subscriptions > 0 {
				p.want(`{"message":` + message("1", "c:1", "last words") + `}`)
			}
			p.want(`{"reconnect":{"after":"0.000s"}}`)
			p.wantClose(coder.StatusServiceRestart)
			s.awaitHandlers()
			if r := s.dial2(t, "/session"); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
				t.Errorf("a new session got %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
			}
		})
	}
}

func TestAPublishUnderWayIsFinishedBeforeARestart(t *testing.T) {
	onBoth(t, testAPublishUnderWayIsFinishedBeforeARestart)
}

func testAPublishUnderWayIsFinishedBeforeARestart(t *testing.T, links kind) {
	slow := &slowEngine{Engine: todoke.NewMemory(todoke.MemoryOptions{}), began: make(chan struct{}), proceed: make(chan struct{})}
	s := newSite(t, links, todoke.Options{Engine: slow}, websocket.Options{})
	p := s.dial("/session", nil)
	p.send(`{"id":1,"publish":{"channel":"a","data":"x"}}`)
	<-slow.began
	s.hub.Drain(0)
	close(slow.proceed)
	p.want(`{"id":1,"published":{"id":"E-1","channel":"a","time":"T","duplicate":false}}`, `{"reconnect":{"after":"0.000s"}}`)
	p.wantClose(coder.StatusServiceRestart)
}

// A slowEngine says when a publish began, and carries it out when it is told to.
type slowEngine struct {
	todoke.Engine
	began, proceed chan struct{}
}

func (e *slowEngine) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	close(e.began)
	select {
	case <-e.proceed:
		return e.Engine.Publish(ctx, batch, results)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestASessionEndsWhenTheHubIsClosed(t *testing.T) { onBoth(t, testASessionEndsWhenTheHubIsClosed) }

func testASessionEndsWhenTheHubIsClosed(t *testing.T, links kind) {
	for _, subscribe := range []bool{false, true} {
		s := newSite(t, links, todoke.Options{}, websocket.Options{})
		p := s.dial("/session", nil)
		p.send(`{"id":9,"ping":{}}`)
		p.next()
		if subscribe {
			p.send(`{"id":1,"subscribe":{"channels":["a"]}}`)
			p.next()
		}
		if err := s.hub.Close(); err != nil {
			t.Fatal(err)
		}
		p.wantClose(coder.StatusGoingAway)
		s.awaitHandlers()
	}
}

func TestASessionThatIsNotReadIsNotReadFromAndIsCut(t *testing.T) {
	onBoth(t, testASessionThatIsNotReadIsNotReadFromAndIsCut)
}

func testASessionThatIsNotReadIsNotReadFromAndIsCut(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{WriteTimeout: 200 * time.Millisecond})
	s.narrow.Store(true)
	p := s.raw("/session")
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience))
	ping := masked(fin|opText, `{"id":1,"ping":{}}`)
	// Were requests read without their answers being written, this would go on until the deadline.
	burst := []byte(strings.Repeat(string(ping), 1000))
	for i := 0; ; i++ {
		if _, err := p.conn.Write(burst); err != nil {
			break
		}
		if i*len(burst) > 256<<20 {
			t.Fatal("256 MiB of requests were read, and no answer")
		}
	}
	s.awaitHandlers()
}

// firehose fills a channel with a backlog of 12 MiB and returns a session that reads it from the beginning.
func firehose(t *testing.T, links kind) (*site, *peer) {
	t.Helper()
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	s.narrow.Store(true)
	fill := strings.Repeat("x", 4<<10)
	for range 3 << 10 {
		s.publish("hose", fill)
	}
	p := s.dial("/session", nil)
	p.send(`{"id":1,"subscribe":{"channels":["hose"],"since":"earliest"}}`)
	p.next()
	for range 10 {
		p.next()
	}
	return s, p
}

// await reads until a frame begins as given, and returns how many came before it.
func (p *peer) await(prefix string) int {
	p.t.Helper()
	for n := 0; ; n++ {
		if text := p.next(); strings.HasPrefix(text, prefix) {
			return n
		}
	}
}

// 1 MiB of other frames; what lies in the kernel's buffers when the request is sent is some 100 KiB, on some systems more.
const fair = 256

func TestASubscriptionThatIsBehindDelaysNeitherAnswersNorOtherSubscriptions(t *testing.T) {
	onBoth(t, testASubscriptionThatIsBehindDelaysNeitherAnswersNorOtherSubscriptions)
}

func testASubscriptionThatIsBehindDelaysNeitherAnswersNorOtherSubscriptions(t *testing.T, links kind) {
	s, p := firehose(t, links)
	p.send(`{"id":2,"ping":{}}`)
	if n := p.await(`{"id":2,"pong"`); n > fair {
		t.Errorf("%d messages came before the pong", n)
	}
	p.send(`{"id":3,"subscribe":{"channels":["quiet"]}}`)
	if n := p.await(`{"id":3,"subscribed"`); n > fair {
		t.Errorf("%d messages came before the answer", n)
	}
	s.publish("quiet", "hello")
	n := 0
	for ; ; n++ {
		if text := p.next(); strings.Contains(text, `"channel":"quiet"`) {
			break
		}
	}
	if n > fair {
		t.Errorf("%d messages of another subscription came before the message", n)
	}
}

func TestNoMessageComesAfterUnsubscribed(t *testing.T) {
	onBoth(t, testNoMessageComesAfterUnsubscribed)
}

func testNoMessageComesAfterUnsubscribed(t *testing.T, links kind) {
	_, p := firehose(t, links)
	p.send(`{"id":2,"unsubscribe":{"channels":["hose"]}}`)
	if n := p.await(`{"id":2,"unsubscribed"`); n > fair {
		t.Errorf("%d messages came before the answer", n)
	}
	p.send(`{"id":3,"ping":{}}`)
	p.want(`{"id":3,"pong":{}}`)
}

func TestManySubscriptionsEachGetAllInOrder(t *testing.T) {
	onBoth(t, testManySubscriptionsEachGetAllInOrder)
}

func testManySubscriptionsEachGetAllInOrder(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	p := s.dial("/session", nil)
	const subscriptions, each = 50, 100
	for i := range subscriptions {
		p.send(fmt.Sprintf(`{"id":%d,"subscribe":{"channels":["m:%d"]}}`, i+1, i))
		p.next()
	}
	go func() {
		for n := range each {
			for i := range subscriptions {
				_, _ = s.hub.Publish(context.Background(), todoke.Message{Channel: fmt.Sprint("m:", i), Data: fmt.Append(nil, n)})
			}
		}
	}()
	next := make(map[string]int)
	for range subscriptions * each {
		var f struct {
			Message struct{ Channel, Data string }
		}
		text := p.next()
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if want := fmt.Sprint(next[f.Message.Channel]); f.Message.Data != want {
			t.Fatalf("%s: got %s, want %s", f.Message.Channel, f.Message.Data, want)
		}
		next[f.Message.Channel]++
	}
}

// Subscribing, unsubscribing, publishing and cutting at once: for the race detector, and to see that all of it ends.
func TestSessionsUnderStress(t *testing.T) { onBoth(t, testSessionsUnderStress) }

func testSessionsUnderStress(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{KeepAlive: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			for i := range 50 {
				_, _ = s.hub.Publish(ctx, todoke.Message{Channel: fmt.Sprint("m:", i%7), Data: []byte("x")})
			}
			<-pace.C
		}
	}()
	for round := range 20 {
		p := s.dial("/session", nil)
		for i := range 20 {
			p.send(fmt.Sprintf(`{"id":%d,"subscribe":{"channels":["m:%d"],"since":"last=10"}}`, i+1, i%7))
			p.send(fmt.Sprintf(`{"id":%d,"unsubscribe":{"channels":["m:%d"]}}`, i+100, (i+3)%7))
		}
		p.send(`{"id":999,"ping":{}}`)
		p.await(`{"id":999,`)
		if round%2 == 0 {
			_ = p.ws.CloseNow()
		} else {
			p.send(`{"id":0}`)
			go func() { _ = p.ws.Close(coder.StatusNormalClosure, "") }()
		}
	}
	cancel()
	s.hub.Drain(time.Second)
	s.awaitHandlers()
}
