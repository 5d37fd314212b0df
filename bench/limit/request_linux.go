package main

import (
	"bytes"
	"strconv"
)

var (
	streaming = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n")
	published = []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	notFound  = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
)

const (
	before = "/v1/channels/"
	behind = "/messages"
	// mostRequest is the most of a request that is waited for.
	mostRequest = 16 << 20
)

// requests takes what came on a connection: requests, whole or not.
func (s *server) requests(c *conn, text []byte) {
	if len(c.in) > 0 {
		c.in = append(c.in, text...)
		text = c.in
	}
	for len(text) > 0 && c.fd >= 0 {
		r, n := parse(text)
		if n == 0 {
			break
		}
		s.carryOut(c, r)
		text = text[n:]
	}
	if len(text) > mostRequest {
		s.end(c)
		return
	}
	if len(text) == 0 {
		c.in = c.in[:0]
		if c.reads != nil {
			c.in = nil // a reader has nothing more to say
		}
		return
	}
	c.in = append(c.in[:0], text...)
}

// A request is what matters of one.
type request struct {
	post    bool
	channel []byte // nil: of another path
	body    []byte
}

// parse reads the request at the beginning of text and how long it is; 0 while it is not complete.
func parse(text []byte) (r request, n int) {
	end := bytes.Index(text, []byte("\r\n\r\n"))
	if end < 0 {
		return r, 0
	}
	head := text[:end+2]
	n = end + 4 + length(head)
	if n > len(text) {
		return r, 0
	}
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	method, path, _ := bytes.Cut(line, []byte(" "))
	path, _, _ = bytes.Cut(path, []byte(" "))
	path, _, _ = bytes.Cut(path, []byte("?"))
	r.post, r.body = string(method) == "POST", text[end+4:n]
	if bytes.HasPrefix(path, []byte(before)) && bytes.HasSuffix(path, []byte(behind)) && len(path) > len(before)+len(behind) {
		r.channel = path[len(before) : len(path)-len(behind)]
	}
	return r, n
}

// length is the Content-Length; a request without one has no body.
func length(head []byte) int {
	i := bytes.Index(head, []byte("\r\nContent-Length: "))
	if i < 0 {
		return 0
	}
	value := head[i+len("\r\nContent-Length: "):]
	n, err := strconv.Atoi(string(value[:bytes.IndexByte(value, '\r')]))
	if err != nil || n < 0 || n > mostRequest {
		return 0
	}
	return n
}

func (s *server) carryOut(c *conn, r request) {
	if r.channel == nil {
		s.write(c, notFound)
		return
	}
	ch := s.channels[string(r.channel)]
	if ch == nil {
		ch = new(channel)
		s.channels[string(r.channel)] = ch
	}
	switch {
	case !r.post && c.reads == nil:
		c.reads, c.place = ch, len(ch.readers)
		ch.readers = append(ch.readers, c)
		s.write(c, streaming)
	case r.post:
		s.publish(ch, r.body)
		s.write(c, published)
	}
}

// publish puts the event behind what the channel's readers still have to get.
func (s *server) publish(ch *channel, data []byte) {
	s.number++
	if len(ch.ends) == 0 {
		s.dirty = append(s.dirty, ch)
	}
	ch.bytes = s.appendEvent(ch.bytes, data)
	ch.ends = append(ch.ends, len(ch.bytes))
}

// appendEvent appends the event as one chunk, as todoke sends it.
func (s *server) appendEvent(dst, data []byte) []byte {
	var room [32]byte
	number := strconv.AppendUint(room[:0], s.number, 10)
	dst = strconv.AppendInt(dst, int64(len("id: limit-\ndata: \n\n")+len(number)+len(data)), 16)
	dst = append(dst, "\r\nid: limit-"...)
	dst = append(dst, number...)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, data...)
	return append(dst, "\n\n\r\n"...)
}
