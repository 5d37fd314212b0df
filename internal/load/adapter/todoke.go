package adapter

import "fmt"

// todoke's own wire: docs/protocol.md. The servers of bench/ speak the part of it that is SSE.
func todokes() []Adapter {
	session := Link{
		WebSocket: true,
		Request:   func(t Target, _ string, _ []string) string { return t.upgrade("/v1/connect", t.bearer("Bearer")...) },
		Steps: []Step{{
			Send: func(_ Target, channel string, after []string) string {
				return fmt.Sprintf(`{"id":1,"subscribe":{"channels":["%s"]%s}}`, channel, sinceField(after))
			},
			Await: `"subscribed":`,
		}},
		Marks: []Mark{{Before: `{"id":"`, End: `"`}},
		Gap:   `{"gap":`,
	}
	publishing := session
	publishing.Steps = nil
	http := Publisher{Request: func(t Target, channel, message string) string {
		return t.post("/v1/channels/"+channel+"/messages", message, append(t.bearer("Bearer"), "Content-Type: text/plain")...)
	}}
	return []Adapter{
		{
			Name: "todoke-sse", About: "todoke: Server-Sent Events; publishes by POST",
			Reader: Link{Request: todokeSSE, Marks: eventID, Gap: "event: todoke.gap\n"}, Publish: http,
		},
		{
			Name: "todoke-ws", About: "todoke: WebSocket that only receives; publishes by POST",
			Reader: Link{
				WebSocket: true,
				Request: func(t Target, channel string, after []string) string {
					return t.upgrade("/v1/channels/"+channel+"/messages"+sinceQuery(after), t.bearer("Bearer")...)
				},
				Steps: []Step{{Await: `{"position":"`}},
				Marks: []Mark{{Before: `{"id":"`, End: `"`}}, Gap: `{"gap":`,
			},
			Publish: http,
		},
		{
			Name: "todoke-session", About: "todoke: a session; publishes over sessions, --depth frames at a time",
			Reader: session,
			Publish: Publisher{
				Link: &publishing,
				Frame: func(channel, message string) string {
					return fmt.Sprintf(`{"id":1,"publish":{"channel":"%s","data":"%s"}}`, channel, message)
				},
				Ack: `"published":`, Refused: `"error":`,
			},
		},
	}
}

func todokeSSE(t Target, channel string, after []string) string {
	headers := append(t.bearer("Bearer"), "Accept: text/event-stream")
	if len(after) > 0 {
		headers = append(headers, "Last-Event-ID: "+after[0])
	}
	return t.get("/v1/channels/"+channel+"/messages", headers...)
}

func sinceQuery(after []string) string {
	if len(after) == 0 {
		return ""
	}
	return "?since=" + after[0]
}

func sinceField(after []string) string {
	if len(after) == 0 {
		return ""
	}
	return `,"since":"` + after[0] + `"`
}
