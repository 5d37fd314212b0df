// Package adapter tells how each server is spoken to: the request that opens a reader's connection, what is said until it
// is subscribed, and how a message is published and the answer known. An adapter is a value; to add a server, write
// one and list it in All.
//
// An adapter needs not say where in an event the message stands: messages carry stamps (package payload) that are found
// anywhere. They are plain ASCII without quotes, so they may stand in JSON strings, forms and lines as they are.
package adapter

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// A Target is the server that is spoken to.
type Target struct {
	URL   *url.URL // http, and without a fragment
	Token string   // for servers that want one
}

// ParseTarget checks a URL.
func ParseTarget(text, token string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Target{}, err
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return Target{}, fmt.Errorf("%q: it is http://HOST:PORT; what is behind TLS is not measured", text)
	}
	return Target{URL: u, Token: token}, nil
}

// Address is host and port.
func (t Target) Address() string {
	port := t.URL.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(t.URL.Hostname(), port)
}

// get is a request without body.
func (t Target) get(path string, headers ...string) string {
	return t.head("GET", path, headers) + "\r\n"
}

// post is a request with one.
func (t Target) post(path, body string, headers ...string) string {
	return t.head("POST", path, append(headers, fmt.Sprintf("Content-Length: %d", len(body)))) + "\r\n" + body
}

func (t Target) head(method, path string, headers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, strings.TrimSuffix(t.URL.EscapedPath(), "/")+path, t.URL.Host)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// Key is the Sec-WebSocket-Key of every connection. RFC 6455 §4.1 wants a random one, to keep caches from answering; there is none
// here.
const Key = "dG9kb2tlIGJlbmNobWFyaw=="

// upgrade is the request of a WebSocket.
func (t Target) upgrade(path string, headers ...string) string {
	return t.get(path, append(headers, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+Key)...)
}

// bearer is the header with the token, if there is one.
func (t Target) bearer(kind string) []string {
	if t.Token == "" {
		return nil
	}
	return []string{"Authorization: " + kind + " " + t.Token}
}

// A Link is how a connection is opened.
type Link struct {
	// WebSocket says that frames follow the head; otherwise the body of the answer does, and it is Server-Sent Events.
	WebSocket bool
	// Request is the text that opens it. After holds the values of Marks to resume behind, or nothing.
	Request func(t Target, channel string, after []string) string
	// Steps are what is said until it is ready, after the head of the answer.
	Steps []Step
	// Binary sends binary frames instead of text.
	Binary bool
	// Ping is the text of a frame that wants Pong in return; empty where RFC 6455's pings are all.
	Ping, Pong string
	// Marks are what a reader remembers to resume. Without them it cannot.
	Marks []Mark
	// Gap stands in an event that tells of messages that are gone.
	Gap string
}

// A Step sends a text, where there is one, and waits for another, where there is one.
type Step struct {
	Send  func(t Target, channel string, after []string) string
	Await string
}

// A Publisher is how messages are published: by requests on kept connections, each answered before the next; or over
// a Link, in frames.
type Publisher struct {
	// Request is a whole HTTP request that publishes message. Nil: Link and Frame.
	Request func(t Target, channel, message string) string

	Link  *Link
	Frame func(channel, message string) string
	// Ack stands once in what answers a frame, Refused in what refuses one.
	Ack, Refused string
}

// An Adapter is how one kind of server is spoken to.
type Adapter struct {
	Name    string
	About   string
	Reader  Link
	Publish Publisher
}

// Named returns the adapter of a name.
func Named(name string) (Adapter, error) {
	for _, a := range All() {
		if a.Name == name {
			return a, nil
		}
	}
	return Adapter{}, fmt.Errorf("no adapter is called %q; there are %s", name, strings.Join(Names(), ", "))
}

// Names are those of all adapters.
func Names() (names []string) {
	for _, a := range All() {
		names = append(names, a.Name)
	}
	return names
}

// All returns the adapters, todoke's own first.
func All() []Adapter {
	return slices.Concat(todokes(), centrifugos(), []Adapter{mercure(), ntfy(), socketIO(), nats()})
}
