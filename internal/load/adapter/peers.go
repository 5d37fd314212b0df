package adapter

import (
	"fmt"
	"net/url"
	"strings"
)

// centrifugos speaks to Centrifugo, whose configuration lets anybody connect, subscribe and publish (client.insecure), and
// publishes through its HTTP API with --token as the key, or over the connection.
func centrifugos() []Adapter {
	marks := []Mark{{Before: `"epoch":"`, End: `"`}, {Before: `"offset":`, End: `,}`}}
	publish := Publisher{Request: func(t Target, channel, message string) string {
		return t.post("/api/publish", fmt.Sprintf(`{"channel":"%s","data":"%s"}`, channel, message), "Content-Type: application/json", "X-API-Key: "+t.Token)
	}}
	connect := func(channel string, after []string) string {
		return fmt.Sprintf(`{"subs":{"%s":{%s}}}`, channel, strings.TrimPrefix(recoverFields(after), ","))
	}
	session := Link{
		WebSocket: true,
		Request:   func(t Target, _ string, _ []string) string { return t.upgrade("/connection/websocket") },
		Steps: []Step{
			{Send: func(Target, string, []string) string { return `{"id":1,"connect":{}}` }, Await: `"connect":`},
			{
				Send: func(_ Target, channel string, after []string) string {
					return fmt.Sprintf(`{"id":2,"subscribe":{"channel":"%s"%s}}`, channel, recoverFields(after))
				},
				Await: `"subscribe":`,
			},
		},
		Ping: "{}", Pong: "{}", Marks: marks,
	}
	publishing := session
	publishing.Steps = session.Steps[:1]
	return []Adapter{
		{
			Name: "centrifugo-sse", About: "Centrifugo: its one-way SSE; publishes through its HTTP API, --token is the key",
			Reader: Link{
				Request: func(t Target, channel string, after []string) string {
					return t.get("/connection/uni_sse?cf_connect="+url.QueryEscape(connect(channel, after)), "Accept: text/event-stream")
				},
				Steps: []Step{{Await: `"connect":`}}, Marks: marks,
			},
			Publish: publish,
		},
		{
			Name: "centrifugo-ws", About: "Centrifugo: its one-way WebSocket; publishes through its HTTP API, --token is the key",
			Reader: Link{
				WebSocket: true,
				Request:   func(t Target, _ string, _ []string) string { return t.upgrade("/connection/uni_websocket") },
				Steps: []Step{{
					Send:  func(_ Target, channel string, after []string) string { return connect(channel, after) },
					Await: `"connect":`,
				}},
				Marks: marks,
			},
			Publish: publish,
		},
		{
			Name: "centrifugo-session", About: "Centrifugo: its JSON protocol over WebSocket; publishes over connections",
			Reader: session,
			Publish: Publisher{
				Link: &publishing,
				Frame: func(channel, message string) string {
					return fmt.Sprintf(`{"id":3,"publish":{"channel":"%s","data":"%s"}}`, channel, message)
				},
				Ack: `"publish":{`, Refused: `"error":{`,
			},
		},
	}
}

// recoverFields ask for what came after an epoch and an offset.
func recoverFields(after []string) string {
	if len(after) < 2 {
		return ""
	}
	return fmt.Sprintf(`,"recover":true,"epoch":"%s","offset":%s`, after[0], after[1])
}

// mercure speaks to a Mercure hub that lets anonymous readers in; --token is a publisher's JWT.
func mercure() Adapter {
	return Adapter{
		Name: "mercure", About: "Mercure: SSE; publishes by POST, --token is the publisher's JWT",
		Reader: Link{
			Request: func(t Target, channel string, after []string) string {
				headers := []string{"Accept: text/event-stream"}
				if len(after) > 0 {
					headers = append(headers, "Last-Event-ID: "+after[0])
				}
				return t.get("/.well-known/mercure?topic="+channel, headers...)
			},
			Marks: eventID,
		},
		Publish: Publisher{Request: func(t Target, channel, message string) string {
			return t.post("/.well-known/mercure", "topic="+channel+"&data="+message,
				append(t.bearer("Bearer"), "Content-Type: application/x-www-form-urlencoded")...)
		}},
	}
}

// ntfy speaks to ntfy. Its events have ids of messages, but its SSE sends no id: line; since= takes them.
func ntfy() Adapter {
	return Adapter{
		Name: "ntfy", About: "ntfy: SSE; publishes by POST; its limits of requests have to be lifted",
		Reader: Link{
			Request: func(t Target, channel string, after []string) string {
				path := "/" + channel + "/sse"
				if len(after) > 0 {
					path += "?since=" + after[0]
				}
				return t.get(path, append(t.bearer("Bearer"), "Accept: text/event-stream")...)
			},
			Steps: []Step{{Await: "event: open"}},
			Marks: []Mark{{Before: `{"id":"`, End: `"`}},
		},
		Publish: Publisher{Request: func(t Target, channel, message string) string {
			return t.post("/"+channel, message, append(t.bearer("Bearer"), "Content-Type: text/plain")...)
		}},
	}
}

// socketIO speaks Engine.IO 4 and Socket.IO 5 over WebSocket. Socket.IO is a library: the application behind it takes
// emit("subscribe", channel, ack), which joins the room, and emit("publish", channel, text, ack), which emits
// ("message", text) to it.
func socketIO() Adapter {
	link := Link{
		WebSocket: true,
		Request: func(t Target, _ string, _ []string) string {
			return t.upgrade("/socket.io/?EIO=4&transport=websocket")
		},
		Steps: []Step{
			{Await: `0{`},
			{Send: func(Target, string, []string) string { return "40" }, Await: `40{`},
			{
				Send: func(_ Target, channel string, _ []string) string {
					return fmt.Sprintf(`420["subscribe","%s"]`, channel)
				},
				Await: "430[",
			},
		},
		Ping: "2", Pong: "3",
	}
	publishing := link
	publishing.Steps = link.Steps[:2]
	return Adapter{
		Name: "socketio", About: `Socket.IO over WebSocket; the application acknowledges emit("subscribe", room) and emit("publish", room, text)`,
		Reader: link,
		Publish: Publisher{
			Link:  &publishing,
			Frame: func(channel, message string) string { return fmt.Sprintf(`420["publish","%s","%s"]`, channel, message) },
			Ack:   "430[",
			// Refusals are the application's: it does not acknowledge.
			Refused: "44{",
		},
	}
}

// nats speaks the client protocol of NATS over WebSocket. A PING behind each PUB stands for the answer: the server handles them in order.
func nats() Adapter {
	link := Link{
		WebSocket: true, Binary: true,
		Request: func(t Target, _ string, _ []string) string { return t.upgrade("/") },
		Steps: []Step{
			{Await: "INFO "},
			{
				Send: func(_ Target, channel string, _ []string) string {
					return `CONNECT {"verbose":false,"pedantic":false,"lang":"go","version":"1","protocol":1}` + "\r\nSUB " + channel + " 1\r\nPING\r\n"
				},
				Await: "PONG\r\n",
			},
		},
		Ping: "PING\r\n", Pong: "PONG\r\n",
	}
	publishing := link
	publishing.Steps = []Step{{Await: "INFO "}, {
		Send: func(Target, string, []string) string {
			return `CONNECT {"verbose":false,"pedantic":false,"lang":"go","version":"1","protocol":1}` + "\r\nPING\r\n"
		},
		Await: "PONG\r\n",
	}}
	return Adapter{
		Name: "nats", About: "NATS over WebSocket; a PING behind each PUB stands for the answer",
		Reader: link,
		Publish: Publisher{
			Link: &publishing,
			Frame: func(channel, message string) string {
				return fmt.Sprintf("PUB %s %d\r\n%s\r\nPING\r\n", channel, len(message), message)
			},
			Ack: "PONG\r\n", Refused: "-ERR",
		},
	}
}
