//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

const hostLine = "Host: localhost:7070\r\n"

func get(fields string) string { return "GET /v1/stream HTTP/1.1\r\n" + hostLine + fields + "\r\n" }

func post(fields, body string) string {
	return "POST /v1/publish HTTP/1.1\r\n" + hostLine + fields + "\r\n" + body
}

var parseCases = []struct {
	name string
	in   string
	want verdict
}{
	{"a stream is opened", get("Accept: text/event-stream\r\n"), whole},
	{"a publish", post("Content-Length: 5\r\n", "hello"), whole},
	{"a publish and more behind it", post("Content-Length: 5\r\n", "helloGET / HTTP"), whole},
	{"a post without a length has no body", post("", ""), whole},
	{"the body is on its way", post("Content-Length: 5\r\n", "hell"), partial},
	{"leading zeros", post("Content-Length: 005\r\n", "hello"), whole},
	{"two lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), unplain},
	{"a list of lengths", post("Content-Length: 5, 5\r\n", "hello"), unplain},
	{"a sign", post("Content-Length: +5\r\n", "hello"), unplain},
	{"a negative length", post("Content-Length: -5\r\n", "hello"), unplain},
	{"a hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), unplain},
	{"an empty length", post("Content-Length:\r\n", ""), unplain},
	{"too long a length", post("Content-Length: 99999999999999999999\r\n", ""), unplain},
	{"the largest body", post("Content-Length: 32768\r\n", strings.Repeat("x", 32768)), whole},
	{"too large a body", post("Content-Length: 32769\r\n", ""), unplain},
	{"a GET with a body", get("Content-Length: 0\r\n"), unplain},
	{"chunks", post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), unplain},
	{"chunks and a length", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), unplain},
	{"chunks, with a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), unplain},
	{"an encoding in odd letters", post("tRANSFER-eNCODING: identity\r\n", ""), unplain},
	{"trailers told", post("Trailer: X\r\n", ""), unplain},
	{"a client that asks first", post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""), unplain},
	{"a folded line", get("X: a\r\n b\r\n"), unplain},
	{"a folded first line", "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", unplain},
	{"a bare LF between fields", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", unplain},
	{"bare LFs, and no end that we see", "GET / HTTP/1.1\nHost: a\n\n", unplain},
	{"a bare LF after whole lines", "GET / HTTP/1.1\r\nHost: a\r\n\n", unplain},
	{"a bare CR in a value", get("X: a\rb\r\n"), unplain},
	{"a bare CR in a value, not whole", "GET / HTTP/1.1\r\nX: a\rb", unplain},
	{"NUL in a value", get("X: a\x00b\r\n"), unplain},
	{"DEL in a value", get("X: a\x7fb\r\n"), unplain},
	{"a tab in a value", get("X: a\tb \t\r\n"), whole},
	{"bytes beyond ASCII in a value", get("X: \xe4\xff\r\n"), whole},
	{"an empty name", get(": a\r\n"), unplain},
	{"a name with a space", get("X Y: a\r\n"), unplain},
	{"a name beyond ASCII", get("\xc3\xa4: a\r\n"), unplain},
	{"a line without a colon", get("X\r\n"), unplain},
	{"no host", "GET / HTTP/1.1\r\n\r\n", unplain},
	{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", unplain},
	{"two hosts", get("Host: other\r\n"), unplain},
	{"a host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", unplain},
	{"a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", unplain},
	{"an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", whole},
	{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", unplain},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", unplain},
	{"HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", unplain},
	{"HTTP/0.9", "GET /\r\nHost: a\r\n\r\n", unplain},
	{"HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", unplain},
	{"the first bytes of that", "PRI", unplain},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", unplain},
	{"another method", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"a method in small letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"an absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"an asterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"two slashes", "GET //a/b HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"two slashes, not whole", "GET //a", unplain},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"a space at the line's end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", unplain},
	{"a fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"a bad percent-encoding", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"percent-encodings", "GET /a%2Fb%00?x=%zz;y HTTP/1.1\r\nHost: a\r\n\r\n", whole},
	{"an empty query", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", whole},
	{"a target beyond ASCII", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"an empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", unplain},
	{"close", get("Connection: close\r\n"), whole},
	{"keep-alive", get("Connection: Keep-Alive\r\n"), whole},
	{"two options", get("Connection: keep-alive, X-Secret\r\n"), unplain},
	{"two Connection headers", get("Connection: close\r\nConnection: keep-alive\r\n"), unplain},
	{"a WebSocket", get("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"), whole},
	{"a WebSocket that closes", get("Upgrade: websocket\r\nConnection: Close, Upgrade\r\n"), unplain},
	{"an upgrade to HTTP/2", get("Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"), unplain},
	{"an upgrade by POST", post("Upgrade: websocket\r\nConnection: Upgrade\r\n", ""), unplain},
	{"as many fields as may be", get(strings.Repeat("X: a\r\n", maxHeaders-1)), whole},
	{"too many fields", get(strings.Repeat("X: a\r\n", maxHeaders)), unplain},
	{"a head without an end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", maxHead), unplain},
	{"too large a head", get("X: " + strings.Repeat("x", maxHead) + "\r\n"), unplain},
	{"the head is on its way", "GET / HTTP/1.1\r\nHo", partial},
	{"only the line's end is missing", "GET / HTTP/1.1\r", partial},
	{"nothing but the method", "P", partial},
}

func TestParse(t *testing.T) {
	for _, c := range parseCases {
		t.Run(c.name, func(t *testing.T) {
			if got := parse([]byte(c.in), new(message)); got != c.want {
				t.Errorf("%d; want %d", got, c.want)
			}
			checkParse(t, []byte(c.in))
		})
	}
}

// FuzzParse holds parse to what it promises: a request that it reads is the one that net/http's reader reads, and to wait for more makes sense.
func FuzzParse(f *testing.F) {
	for _, c := range parseCases {
		f.Add([]byte(c.in))
	}
	f.Add([]byte(get("Pragma: no-cache\r\n")))
	f.Add([]byte(get("Pragma: no-cache\r\nCache-Control: a\r\n")))
	f.Fuzz(checkParse)
}

func checkParse(t *testing.T, p []byte) {
	var m message
	switch parse(p, &m) {
	case partial:
		checkPartial(t, p, &m)
	case whole:
		checkWhole(t, p, &m)
	}
}

// checkPartial: net/http has no whole request here, nor has it seen an error that it tells at once.
func checkPartial(t *testing.T, p []byte, m *message) {
	if len(p) > maxHead+4+maxBody || m.size == 0 && len(p) > maxHead {
		t.Fatalf("more is waited for after %d bytes", len(p))
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p)))
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
		if err == nil {
			t.Fatalf("more is waited for, and net/http has all: %q", p)
		}
	}
	if err != io.ErrUnexpectedEOF && err != io.EOF {
		// The line that is not whole may be cut where it makes no sense: what is before it has to make some.
		at := bytes.LastIndexByte(p, '\n') + 1
		_, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(p[:at])))
		if err != io.ErrUnexpectedEOF && err != io.EOF {
			t.Fatalf("more is waited for, and net/http refuses %q: %v", p[:at], err)
		}
	}
	if bytes.Contains(bytes.ReplaceAll(p[:headOf(p, m)], []byte("\r\n"), nil), []byte("\n")) {
		t.Fatalf("more is waited for after a bare LF: %q", p)
	}
}

// headOf is how much of p is no body.
func headOf(p []byte, m *message) int {
	if m.size > 0 {
		return m.size - m.length
	}
	return len(p)
}

func checkWhole(t *testing.T, p []byte, m *message) {
	reader := bytes.NewReader(p)
	buffered := bufio.NewReader(reader)
	r, err := http.ReadRequest(buffered)
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", p, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("net/http refuses the body of %q: %v", p, err)
	}
	ours := m.request(new(conn))
	for _, pair := range []struct {
		what      string
		got, want any
	}{
		{"method", ours.Method, r.Method},
		{"target", ours.RequestURI, r.RequestURI},
		{"URL", ours.URL, r.URL},
		{"protocol", [3]any{ours.Proto, ours.ProtoMajor, ours.ProtoMinor}, [3]any{r.Proto, r.ProtoMajor, r.ProtoMinor}},
		{"host", ours.Host, r.Host},
		{"header", ours.Header, r.Header},
		{"length", ours.ContentLength, r.ContentLength},
		{"close", ours.Close, r.Close},
		{"encoding", ours.TransferEncoding, r.TransferEncoding},
		{"trailer", ours.Trailer, r.Trailer},
		{"body", string(m.body), string(body)},
		{"size", m.size, len(p) - reader.Len() - buffered.Buffered()},
	} {
		if !reflect.DeepEqual(pair.got, pair.want) {
			t.Errorf("%s of %q: %#v; net/http has %#v", pair.what, p, pair.got, pair.want)
		}
	}
	checkBeginnings(t, p[:m.size])
}

// checkBeginnings: of a whole request each beginning is waited on, so that it does not matter how it is cut.
func checkBeginnings(t *testing.T, p []byte) {
	step := 1 + len(p)/100
	for n := 1; n < len(p); n += step {
		if v := parse(p[:n], new(message)); v != partial {
			t.Fatalf("%q is cut after %d bytes, and the verdict is %d", p, n, v)
		}
	}
}
