package websocket_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket"
)

const invalid = `"error":{"code":"invalid_frame","detail":"`

// Each script is one session: lines that begin with > are sent, those with < must come, and nothing else. A line with + publishes
// its channel and text.
func TestSession(t *testing.T) { onBoth(t, testSession) }

func testSession(t *testing.T, links kind) {
	for _, c := range []struct{ name, script string }{
		{"ping is answered", `
			> {"id":4,"ping":{}}
			< {"id":4,"pong":{}}`},
		{"a ping without an id is not answered", `
			> {"ping":{}}
			> {"id":4294967295,"ping":{}}
			< {"id":4294967295,"pong":{}}`},
		{"subscribe, receive, unsubscribe", `
			> {"id":1,"subscribe":{"channels":["a","b:*"]}}
			< {"id":1,"subscribed":{"channels":["a","b:*"],"position":"E-0"}}
			+ a one
			+ c not for it
			+ b:x two
			< {"message":{"id":"E-1","channel":"a","type":"text/plain","time":"T","data":"one"}}
			< {"message":{"id":"E-3","channel":"b:x","type":"text/plain","time":"T","data":"two"}}
			> {"id":2,"unsubscribe":{"channels":["a"]}}
			< {"id":2,"unsubscribed":{"channels":["a"]}}
			+ a not any more
			+ b:y three
			< {"message":{"id":"E-5","channel":"b:y","type":"text/plain","time":"T","data":"three"}}
			> {"unsubscribe":{"channels":["b:*"]}}
			> {"id":1,"subscribe":{"channels":["b:*"],"since":"last=1"}}
			< {"id":1,"subscribed":{"channels":["b:*"],"position":"E-4"}}
			< {"message":{"id":"E-5","channel":"b:y","type":"text/plain","time":"T","data":"three"}}`},
		{"since", `
			+ a one
			+ a two
			> {"id":1,"subscribe":{"channels":["a"],"since":"earliest"}}
			< {"id":1,"subscribed":{"channels":["a"],"position":"E-0"}}
			< {"message":{"id":"E-1","channel":"a","type":"text/plain","time":"T","data":"one"}}
			< {"message":{"id":"E-2","channel":"a","type":"text/plain","time":"T","data":"two"}}
			> {"id":2,"subscribe":{"channels":["b"],"since":"soon"}}
			< {"id":2,"error":{"code":"invalid_since","detail":"\"soon\" is none of: a position like k3f9-1207, earliest, snapshot, now, last=N, or a duration like 90s","field":"since"}}
			> {"id":2,"subscribe":{"channels":["b"],"since":"k3f9-x"}}
			< {"id":2,"error":{"code":"invalid_position","detail":"\"k3f9-x\" is not a position; send one back as you got it, like k3f9-1207","field":"since"}}`},
		{"another epoch is told as a gap", `
			+ a one
			> {"id":1,"subscribe":{"channels":["a"],"since":"zzz-5"}}
			< {"id":1,"subscribed":{"channels":["a"],"position":"E-0"}}
			< {"gap":{"channel":"a","from":"zzz-5","to":"E-0","possible":true}}
			< {"message":{"id":"E-1","channel":"a","type":"text/plain","time":"T","data":"one"}}`},
		{"publish", `
			> {"id":3,"publish":{"channel":"a","data":{"x":1},"event":"e","key":"k","headers":{"h":"v"},"ttl":"5s","idempotency_key":"u1"}}
			< {"id":3,"published":{"id":"E-1","channel":"a","time":"T","duplicate":false}}
			> {"id":4,"publish":{"channel":"a","data":{"x":1},"idempotency_key":"u1"}}
			< {"id":4,"published":{"id":"E-1","channel":"a","time":"T","duplicate":true}}
			> {"publish":{"channel":"a","data_base64":"AAE="}}
			> {"id":5,"subscribe":{"channels":["a"],"since":"earliest"}}
			< {"id":5,"subscribed":{"channels":["a"],"position":"E-0"}}
			< {"message":{"id":"E-1","channel":"a","event":"e","key":"k","type":"application/json","time":"T","headers":{"h":"v"},"data":{"x":1}}}
			< {"message":{"id":"E-2","channel":"a","type":"application/octet-stream","time":"T","data_base64":"AAE="}}`},
		{"a publisher gets its own message after its answer or before, and once", `
			> {"id":1,"subscribe":{"channels":["a"]}}
			< {"id":1,"subscribed":{"channels":["a"],"position":"E-0"}}
			> {"publish":{"channel":"a","data":"x"}}
			< {"message":{"id":"E-1","channel":"a","type":"text/plain","time":"T","data":"x"}}`},
		{"several messages in one frame are answered together, and one that is refused refuses all", `
			> {"id":1,"publish":{"messages":[{"channel":"a","data":"x"},{"channel":"b","data":{"y":1},"idempotency_key":"u"}]}}
			< {"id":1,"results":[{"id":"E-1","channel":"a","time":"T","duplicate":false},{"id":"E-2","channel":"b","time":"T","duplicate":false}]}
			> {"id":2,"publish":{"channels":["a","c"],"data":"z"}}
			< {"id":2,"results":[{"id":"E-3","channel":"a","time":"T","duplicate":false},{"id":"E-4","channel":"c","time":"T","duplicate":false}]}
			> {"id":3,"publish":{"messages":[{"channel":"a","data":"x"},{"channel":"a","data":"x","event":"todoke.gap"}]}}
			< {"id":3,"error":{"code":"invalid_message","detail":"names that begin with \"todoke.\" are the server's own","field":"messages[1].event"}}
			> {"id":3,"publish":{"messages":[{"channel":"a","data":"x"},{"channel":"secret:x","data":"x"}]}}
			< {"id":3,"error":{"code":"forbidden","detail":"not for you","field":"channel"}}
			> {"id":3,"publish":{"messages":[]}}
			< {"id":3,"error":{"code":"invalid_message","detail":"it is a list of one or more messages","field":"messages"}}
			> {"publish":{"messages":[{"channel":"a","data":"no answer"}]}}
			> {"id":4,"subscribe":{"channels":["a"],"since":"last=1"}}
			< {"id":4,"subscribed":{"channels":["a"],"position":"E-4"}}
			< {"message":{"id":"E-5","channel":"a","type":"text/plain","time":"T","data":"no answer"}}`},
		{"publishes that are refused", `
			> {"publish":{"channel":"a:*","data":"x"}}
			< {"error":{"code":"invalid_channel","detail":"segment 2 has a '*': a pattern can be read, not published to","field":"channel"}}
			> {"id":3,"publish":{"channel":"a","data":"x","event":"todoke.gap"}}
			< {"id":3,"error":{"code":"invalid_message","detail":"names that begin with \"todoke.\" are the server's own","field":"event"}}
			> {"id":4,"subscribe":{"channels":["a"],"since":"earliest"}}
			< {"id":4,"subscribed":{"channels":["a"],"position":"E-0"}}`},
		{"a channel belongs to one subscription", `
			> {"id":1,"subscribe":{"channels":["a","b:*","a"]}}
			< {"id":1,"subscribed":{"channels":["a","b:*"],"position":"E-0"}}
			> {"id":2,"subscribe":{"channels":["c","a"]}}
			< {"id":2,"error":{"code":"already_subscribed","detail":"a and a, which another subscription has, share channels","field":"channels"}}
			> {"id":2,"subscribe":{"channels":["*:x"]}}
			< {"id":2,"error":{"code":"already_subscribed","detail":"*:x and b:*, which another subscription has, share channels","field":"channels"}}
			> {"id":2,"subscribe":{"channels":["b:x"]}}
			< {"id":2,"error":{"code":"already_subscribed","detail":"b:x and b:*, which another subscription has, share channels","field":"channels"}}
			> {"id":1,"subscribe":{"channels":["c"]}}
			< {"id":1,"error":{"code":"invalid_parameter","detail":"a subscription of this session has this id; choose another","field":"id"}}
			> {"id":2,"subscribe":{"channels":["c"]}}
			< {"id":2,"subscribed":{"channels":["c"],"position":"E-0"}}
			+ b:x once
			< {"message":{"id":"E-1","channel":"b:x","type":"text/plain","time":"T","data":"once"}}`},
		{"unsubscribe is by channel, across subscriptions, all or nothing", `
			> {"id":1,"subscribe":{"channels":["a","b"]}}
			< {"id":1,"subscribed":{"channels":["a","b"],"position":"E-0"}}
			> {"id":2,"subscribe":{"channels":["c"]}}
			< {"id":2,"subscribed":{"channels":["c"],"position":"E-0"}}
			> {"id":3,"unsubscribe":{"channels":["a","x"]}}
			< {"id":3,"error":{"code":"not_subscribed","detail":"no subscription of this session has x; name it as it was subscribed to","field":"channels"}}
			> {"id":3,"unsubscribe":{"channels":[]}}
			< {"id":3,"error":{"code":"invalid_channel","detail":"name at least one channel","field":"channels"}}
			+ a still there
			< {"message":{"id":"E-1","channel":"a","type":"text/plain","time":"T","data":"still there"}}
			> {"id":3,"unsubscribe":{"channels":["c","a","a"]}}
			< {"id":3,"unsubscribed":{"channels":["c","a"]}}
			+ a gone
			+ c gone
			+ b left
			< {"message":{"id":"E-4","channel":"b","type":"text/plain","time":"T","data":"left"}}
			> {"id":2,"subscribe":{"channels":["c","a"]}}
			< {"id":2,"subscribed":{"channels":["c","a"],"position":"E-4"}}`},
		{"channels that are none", `
			> {"id":1,"subscribe":{"channels":[]}}
			< {"id":1,"error":{"code":"invalid_channel","detail":"name at least one channel","field":"channels"}}
			> {"id":1,"subscribe":{}}
			< {"id":1,"error":{"code":"invalid_channel","detail":"name at least one channel","field":"channels"}}
			> {"id":1,"subscribe":{"channels":["a::b"]}}
			< {"id":1,"error":{"code":"invalid_channel","detail":"segment 2 is empty; write a:b, not a::b, :a or a:","field":"channels"}}`},
		{"binary frames are JSON too", `
			>> {"id":1,"ping":{}}
			< {"id":1,"pong":{}}`},
		{"nothing may be read or written that was not given", `
			> {"id":1,"subscribe":{"channels":["a","secret:x"]}}
			< {"id":1,"error":{"code":"forbidden","detail":"not for you","field":"channels"}}
			> {"id":1,"subscribe":{"channels":["secret:**"]}}
			< {"id":1,"error":{"code":"forbidden","detail":"not for you","field":"channels"}}
			> {"id":2,"publish":{"channel":"secret:x","data":"x"}}
			< {"id":2,"error":{"code":"forbidden","detail":"not for you","field":"channel"}}
			> {"id":1,"subscribe":{"channels":["a"]}}
			< {"id":1,"subscribed":{"channels":["a"],"position":"E-0"}}`},
	} {
		t.Run(c.name, func(t *testing.T) { play(t, links, c.script) })
	}
}

// secretRule keeps secret: from everybody.
var secretRule = todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
	if todoke.PatternsOverlap("secret:**", a.Channel) {
		return &todoke.Error{Code: todoke.CodeForbidden, Field: "channel", Hint: "not for you"}
	}
	return nil
})

func play(t *testing.T, links kind, script string) {
	t.Helper()
	s := newSite(t, links, todoke.Options{Authorizer: secretRule}, websocket.Options{})
	p := s.dial("/session", nil)
	for line := range strings.Lines(script + "\n> {\"id\":99,\"ping\":{}}\n< {\"id\":99,\"pong\":{}}") {
		sign, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		t.Log(sign, text) // shown where it fails
		switch sign {
		case ">":
			p.send(text)
		case ">>":
			p.sendAs(coder.MessageBinary, text)
		case "<":
			p.want(text)
		case "+":
			channel, data, _ := strings.Cut(text, " ")
			s.publish(channel, data)
		}
	}
}

func TestFramesThatCannotBeUnderstoodAreAnsweredAndTheTenthEndsTheSession(t *testing.T) {
	onBoth(t, testFramesThatCannotBeUnderstoodAreAnsweredAndTheTenthEndsTheSession)
}

func testFramesThatCannotBeUnderstoodAreAnsweredAndTheTenthEndsTheSession(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	p := s.dial("/session", nil)
	for i, c := range []struct{ send, want string }{
		{`hello`, `{` + invalid + "a frame is one JSON object, like {\\\"id\\\":1,\\\"ping\\\":{}}\"}}"},
		{`["ping"]`, `{` + invalid + "a frame is one JSON object, like {\\\"id\\\":1,\\\"ping\\\":{}}\"}}"},
		{`{"id":1}`, `{"id":1,` + invalid + `there is no request in it: subscribe, unsubscribe, publish or ping"}}`},
		{`{"id":2,"ping":{},"publish":{}}`, `{"id":2,` + invalid + `a frame has one request; send two frames","field":"publish"}}`},
		{`{"id":3,"ping":{},"trace":"x"}`, `{"id":3,` + invalid + `this field is not known here","field":"trace"}}`},
		{`{"id":4,"ping":{"x":1}}`, `{"id":4,` + invalid + `this field is not known here","field":"x"}}`},
		{`{"subscribe":{"channels":["a"]}}`, `{` + invalid + `subscribe needs an id, from 1 on: it names the subscription","field":"id"}}`},
		{`{"id":0,"ping":{}}`, `{` + invalid + `it is a whole number from 1 to 4294967295","field":"id"}}`},
		{`{"id":5,"ping":{}}{"id":6,"ping":{}}`, `{"id":5,` + invalid + `there is more after the object; send one object a frame"}}`},
		{`{"id":7,"ping":7}`, `{"id":7,` + invalid + `it is a JSON object","field":"ping"}}`},
	} {
		p.send(`{"id":50,"ping":{}}`)
		p.want(`{"id":50,"pong":{}}`)
		p.send(c.send)
		if got := p.next(); got != c.want {
			t.Errorf("%d %s:\ngot  %s\nwant %s", i, c.send, got, c.want)
		}
	}
	p.wantClose(coder.StatusInvalidFramePayloadData)
	s.awaitHandlers()
}

func TestSubscriptionsTellTheirPositionsWhenTheyMovedWhileIdle(t *testing.T) {
	onBoth(t, testSubscriptionsTellTheirPositionsWhenTheyMovedWhileIdle)
}

func testSubscriptionsTellTheirPositionsWhenTheyMovedWhileIdle(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{KeepAlive: 50 * time.Millisecond})
	p := s.dial("/session", nil)
	p.send(`{"id":7,"subscribe":{"channels":["a"]}}`)
	p.want(`{"id":7,"subscribed":{"channels":["a"],"position":"E-0"}}`)
	s.publish("b", "x")
	p.want(`{"position":"E-1","subscription":7}`)
	p.send(`{"id":8,"subscribe":{"channels":["b"]}}`)
	p.want(`{"id":8,"subscribed":{"channels":["b"],"position":"E-1"}}`)
	s.publish("c", "x")
	got := map[string]bool{s.plain(p.next()): true, s.plain(p.next()): true}
	if !got[`{"position":"E-2","subscription":7}`] || !got[`{"position":"E-2","subscription":8}`] {
		t.Errorf("got %v", got)
	}
	p.send(`{"id":1,"unsubscribe":{"channels":["b"]}}`)
	p.want(`{"id":1,"unsubscribed":{"channels":["b"]}}`)
	s.publish("c", "x")
	p.want(`{"position":"E-3","subscription":7}`)
}

func TestASessionHasLimits(t *testing.T) { onBoth(t, testASessionHasLimits) }

func testASessionHasLimits(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{})
	names := func(prefix string, n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"%s:%d"`, prefix, i)
		}
		return strings.Join(list, ",")
	}
	t.Run("channels of a subscription", func(t *testing.T) {
		p := (&site{t: t, hub: s.hub, server: s.server}).dial("/session", nil)
		p.send(`{"id":1,"subscribe":{"channels":[` + names("x", 101) + `]}}`)
		p.want(`{"id":1,"error":{"code":"too_many_channels","detail":"a subscription has at most 100 channels","field":"channels"}}`)
	})
	t.Run("channels", func(t *testing.T) {
		p := (&site{t: t, hub: s.hub, server: s.server}).dial("/session", nil)
		for i := 1; i <= 10; i++ {
			p.send(fmt.Sprintf(`{"id":%d,"subscribe":{"channels":[%s]}}`, i, names(fmt.Sprint("x", i), 100)))
			p.next()
		}
		p.send(`{"id":11,"subscribe":{"channels":["one:more"]}}`)
		p.want(`{"id":11,"error":{"code":"too_many_channels","detail":"the subscriptions of a session have at most 1,000 channels together","field":"channels"}}`)
		p.send(`{"id":12,"unsubscribe":{"channels":["x3:7"]}}`)
		p.next()
		p.send(`{"id":11,"subscribe":{"channels":["one:more"]}}`)
		p.want(`{"id":11,"subscribed":{"channels":["one:more"],"position":"E-0"}}`)
	})
	t.Run("subscriptions", func(t *testing.T) {
		p := (&site{t: t, hub: s.hub, server: s.server}).dial("/session", nil)
		for i := 1; i <= websocket.MaxSubscriptions; i++ {
			p.send(fmt.Sprintf(`{"id":%d,"subscribe":{"channels":["s:%d"]}}`, i, i))
			p.want(fmt.Sprintf(`{"id":%d,"subscribed":{"channels":["s:%d"],"position":"E-0"}}`, i, i))
		}
		p.send(`{"id":101,"subscribe":{"channels":["s:101"]}}`)
		p.want(`{"id":101,"error":{"code":"too_many_channels","detail":"a session has at most 100 subscriptions; put more channels into one"}}`)
		p.send(`{"id":102,"unsubscribe":{"channels":["s:5"]}}`)
		p.next()
		p.send(`{"id":101,"subscribe":{"channels":["s:101"]}}`)
		p.want(`{"id":101,"subscribed":{"channels":["s:101"],"position":"E-0"}}`)
	})
}
