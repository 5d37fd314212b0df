package front

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

const (
	// maxHead is the most bytes of a head that is read here, and maxBody of a body. net/http has its own limits for larger ones.
	maxHead    = 16 << 10
	maxBody    = 32 << 10
	maxHeaders = 64
)

// A verdict is what is to be done with what was read.
type verdict uint8

const (
	unplain verdict = iota // leave it to net/http
	partial                // wait for more
	whole
)

// A message is a request as it was read.
type message struct {
	method string
	target string
	url    *url.URL
	host   string
	header http.Header
	body   []byte // a part of what was read
	close  bool   // the client closes afterwards
	length int    // of the body
	size   int    // of head and body; 0: the head is not here
}

// parse reads one request off the beginning of p. Strings are copied out of p, the body is not.
func parse(p []byte, m *message) verdict {
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		if len(p) > maxHead || !begins(p) {
			return unplain
		}
		return partial
	}
	if end > maxHead {
		return unplain
	}
	head := string(p[:end])
	line, rest, _ := strings.Cut(head, "\r\n")
	if !m.requestLine(line) || !m.headers(rest) {
		return unplain
	}
	length, ok := m.contentLength()
	if !ok {
		return unplain
	}
	m.length, m.size = length, end+4+length
	if len(p) < m.size {
		return partial
	}
	m.body = p[end+4 : m.size]
	return whole
}

// begins reports whether p, which has no whole head, may become a request that is read here: each of its lines is looked at, so
// that what is strange does not wait here for an end that net/http would see elsewhere.
func begins(p []byte) bool {
	first, rest, more := bytes.Cut(p, []byte("\r\n"))
	if !more {
		return beginsLine(first)
	}
	var m message
	if !m.requestLine(string(first)) {
		return false
	}
	at := bytes.LastIndex(rest, []byte("\r\n"))
	if at < 0 {
		return beginsField(rest)
	}
	return m.fields(string(rest[:at])) && beginsField(rest[at+2:])
}

// beginsLine reports whether p may become a request line.
func beginsLine(p []byte) bool {
	for _, method := range []string{"GET /", "POST /"} {
		n := min(len(p), len(method))
		if string(p[:n]) != method[:n] {
			continue
		}
		target, proto, _ := bytes.Cut(p[n:], []byte(" "))
		if bytes.HasPrefix(target, []byte("/")) || !isTarget(string(target)) {
			return false
		}
		const http11 = "HTTP/1.1\r"
		return len(proto) <= len(http11) && string(proto) == http11[:len(proto)]
	}
	return false
}

// beginsField reports whether p may become a field, or the end of the head.
func beginsField(p []byte) bool {
	p = bytes.TrimSuffix(p, []byte("\r")) // of a line's end that is not whole
	name, value, found := bytes.Cut(p, []byte(":"))
	return len(p) == 0 || isToken(string(name)) && (!found || isValue(string(value)))
}

func (m *message) requestLine(line string) bool {
	method, rest, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(rest, " ")
	if method != http.MethodGet && method != http.MethodPost || proto != "HTTP/1.1" || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
		return false
	}
	if !isTarget(target) {
		return false
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return false
	}
	m.method, m.target, m.url = method, target, u
	return true
}

func isTarget(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// headers reads what follows the request line.
func (m *message) headers(text string) bool { return m.fields(text) && m.plainHeaders() }

// fields reads the fields (RFC 9112 §5): no folded lines, no white space before a colon.
func (m *message) fields(text string) bool {
	m.header = make(http.Header, 12)
	values := make([]string, 0, 12) // one array for all values that stand alone
	for n := 0; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found || n == maxHeaders || !isToken(name) || !isValue(value) {
			return false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		value = strings.Trim(value, " \t")
		if old := m.header[name]; old != nil {
			m.header[name] = append(old, value)
			continue
		}
		values = append(values, value)
		m.header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return true
}

// plainHeaders looks at those that say how the message is to be read.
func (m *message) plainHeaders() bool {
	host := m.header["Host"]
	if len(host) != 1 || !isHost(host[0]) {
		return false // RFC 9112 §3.2: one, and net/http refuses others
	}
	m.host = host[0]
	delete(m.header, "Host")
	for _, name := range []string{"Transfer-Encoding", "Trailer", "Expect", "Te", "Proxy-Connection", "Http2-Settings"} {
		if _, there := m.header[name]; there {
			return false
		}
	}
	upgrade, upgrades := m.header["Upgrade"]
	if upgrades && (len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") || m.method != http.MethodGet) {
		return false
	}
	if pragma := m.header["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && m.header["Cache-Control"] == nil {
		m.header["Cache-Control"] = []string{"no-cache"} // as net/http has it for old clients
	}
	switch connection := m.header["Connection"]; {
	case len(connection) == 0:
	case len(connection) > 1:
		return false
	case strings.EqualFold(connection[0], "close"):
		m.close = true
	case strings.EqualFold(connection[0], "keep-alive"):
	case upgrades && !strings.Contains(strings.ToLower(connection[0]), "close"): // which tokens else is the WebSocket's matter
	default:
		return false
	}
	return true
}

// contentLength reads the length of the body (RFC 9112 §6.2).
func (m *message) contentLength() (length int, ok bool) {
	values := m.header["Content-Length"]
	switch {
	case len(values) == 0:
		return 0, true
	case len(values) > 1 || values[0] == "" || len(values[0]) > 6 || m.method != http.MethodPost:
		return 0, false
	}
	for i := range len(values[0]) {
		c := values[0][i]
		if c < '0' || c > '9' {
			return 0, false
		}
		length = 10*length + int(c-'0')
	}
	return length, length <= maxBody
}

// token has the characters of RFC 9110 §5.6.2.
var token = func() (set [256]bool) {
	for c := '0'; c <= '9'; c++ {
		set[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		set[c], set[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		set[c] = true
	}
	return set
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !token[s[i]] {
			return false
		}
	}
	return s != ""
}

func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isHost takes names, addresses and ports; stranger ones are net/http's to judge.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return s != ""
}
