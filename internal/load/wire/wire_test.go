package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// recorded is what the readers hand out, in a form that does not depend on where the stream was cut.
type recorded struct{ text strings.Builder }

func (r *recorded) Data(p []byte) { r.text.Write(p) }

func (r *recorded) Frame(final bool) { fmt.Fprintf(&r.text, "|%t|", final) }

func (r *recorded) Control(op byte, p []byte) { fmt.Fprintf(&r.text, "<%d %s>", op, p) }

func TestParseHead(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Head
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Head{Status: 200, Length: 7}},
		{"chunks win over a length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ncontent-length: 7\r\n\r\n", Head{Status: 200, Length: -1, Chunked: true}},
		{"until the end", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n", Head{Status: 200, Length: -1, Close: true}},
		{"no reason", "HTTP/1.1 404\r\nContent-Length:0\r\n\r\n", Head{Status: 404}},
		{"switching", "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: abc=\r\n\r\n", Head{Status: 101, Accept: "abc="}},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", Head{Status: 204}},
	} {
		got, n, err := ParseHead([]byte(c.text + "rest"))
		if err != nil || n != len(c.text) || got != c.want {
			t.Errorf("%s: %+v, %d, %v; want %+v, %d", c.name, got, n, err, c.want, len(c.text))
		}
		for i := range len(c.text) {
			if _, n, err := ParseHead([]byte(c.text[:i])); n != 0 || err != nil {
				t.Errorf("%s, its first %d bytes: %d, %v", c.name, i, n, err)
			}
		}
	}
	for _, text := range []string{
		"SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", strings.Repeat("x", MaxHead+1), "\r\n\r\n",
	} {
		if _, _, err := ParseHead([]byte(text)); !errors.Is(err, ErrHead) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// body reads a body from pieces, and returns it with the rest behind it.
func body(h Head, pieces ...[]byte) (text, rest string, done bool, err error) {
	var got, left bytes.Buffer
	b := NewBody(h)
	for _, p := range pieces {
		r, err := b.Read(p, func(part []byte) { got.Write(part) })
		if err != nil {
			return got.String(), "", false, err
		}
		left.Write(r)
	}
	return got.String(), left.String(), b.Done(), nil
}

func TestBodyCutAnywhere(t *testing.T) {
	chunked, length, open := Head{Chunked: true, Length: -1}, Head{Length: 5}, Head{Length: -1}
	for _, c := range []struct {
		name, text, want, rest string
		head                   Head
		done                   bool
	}{
		{"chunks", "5\r\nhello\r\n1;name=\"v\"\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n", "hello 0123456789", "", chunked, true},
		{"chunks with a trailer, and the next answer", "1\r\nx\r\n0\r\nSum: 1\r\nB: 2\r\n\r\nHTTP", "x", "HTTP", chunked, true},
		{"chunks that go on", "2\r\nab\r\n3\r\nc", "abc", "", chunked, false},
		{"a length, and the next answer", "helloHTTP", "hello", "HTTP", length, true},
		{"until the end", "hello", "hello", "", open, false},
	} {
		for i := range len(c.text) + 1 {
			got, rest, done, err := body(c.head, []byte(c.text[:i]), []byte(c.text[i:]))
			if err != nil || got != c.want || rest != c.rest || done != c.done {
				t.Errorf("%s, cut at %d: %q, %q, %t, %v", c.name, i, got, rest, done, err)
			}
		}
	}
	for _, text := range []string{"x\r\n", "\r\n", "5\r\nhelloX", "fffffffffffff\r\n", ";\r\n"} {
		if _, _, _, err := body(chunked, []byte(text)); !errors.Is(err, ErrChunk) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// server makes a server's frame: one that is not masked.
func server(head byte, payload string) []byte {
	frame := AppendFrame(nil, head&0x0f, []byte(payload), 0)
	frame[0] = head
	frame[1] &^= 0x80
	n := len(frame) - len(payload)
	return slices.Delete(frame, n-4, n)
}

func TestFramesCutAnywhere(t *testing.T) {
	stream := slices.Concat(
		server(0x81, "hello"), server(0x01, "first "), server(0x89, "ping"), server(0x80, "second"), server(0x82, ""), server(0x8a, ""),
		server(0x81, strings.Repeat("m", 300)), server(0x81, strings.Repeat("l", 70000)), server(0x88, "\x03\xe9bye"),
	)
	want := "hello|true|first |false|<9 ping>second|true||true|<10 >" + strings.Repeat("m", 300) + "|true|" + strings.Repeat("l", 70000) + "|true|<8 \x03\xe9bye>"
	cuts := []int{len(stream) - 1, len(stream) / 2}
	for i := range 900 {
		cuts = append(cuts, i)
	}
	for _, i := range cuts {
		var got recorded
		var f Frames
		for _, piece := range [][]byte{stream[:i], stream[i:]} {
			if err := f.Read(piece, &got); err != nil {
				t.Fatalf("cut at %d: %v", i, err)
			}
		}
		if got.text.String() != want {
			t.Fatalf("cut at %d: %.200q", i, got.text.String())
		}
	}
}

func TestBadFrames(t *testing.T) {
	for name, text := range map[string]string{
		"masked": "\x81\x85abcd", "reserved": "\xc1\x00", "opcode": "\x83\x00", "a ping in parts": "\x09\x00", "a long ping": "\x89\x7e\x01\x00",
		"huge": "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		var f Frames
		if err := f.Read([]byte(text), new(recorded)); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client's frame is read back, unmasked by the book.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 13, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("abcdefghi"), n/9+1)[:n]
		frame := AppendFrame([]byte("before"), OpText, payload, 0x9a3bc1d7)[len("before"):]
		head := len(frame) - n
		if frame[0] != 0x81 || frame[1]&0x80 == 0 {
			t.Fatalf("%d bytes: the frame begins %x", n, frame[:2])
		}
		key, masked := frame[head-4:head], frame[head:]
		for i := range masked {
			if masked[i]^key[i%4] != payload[i] {
				t.Fatalf("%d bytes: byte %d is not masked as RFC 6455 §5.3 has it", n, i)
			}
		}
	}
	if AcceptOf("dGhlIHNhbXBsZSBub25jZQ==") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 §1.3
		t.Error("AcceptOf differs from the RFC's example")
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 101 S\r\nSec-WebSocket-Accept: x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, n, err := ParseHead(text)
		if n < 0 || n > len(text) || err != nil && n != 0 || n > 0 && h.Status < 100 {
			t.Errorf("%+v, %d, %v", h, n, err)
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nA: b\r\n\r\nrest"), uint16(4), true)
	f.Add([]byte("000000\n\r0\n"), uint16(8), true)
	f.Add([]byte("hello"), uint16(2), false)
	f.Fuzz(func(t *testing.T, text []byte, cut uint16, chunked bool) {
		h := Head{Chunked: chunked, Length: -1}
		if !chunked {
			h.Length = 7
		}
		i := int(cut) % (len(text) + 1)
		whole, rest, done, err := body(h, text)
		got, rest2, done2, err2 := body(h, text[:i], text[i:])
		if whole != got || rest != rest2 || done != done2 || (err == nil) != (err2 == nil) {
			t.Errorf("whole: %q, %q, %t, %v; cut: %q, %q, %t, %v", whole, rest, done, err, got, rest2, done2, err2)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(slices.Concat(server(0x81, "hello"), server(0x89, "ping"), server(0x82, strings.Repeat("x", 200))), uint16(3), uint16(9))
	f.Fuzz(func(t *testing.T, text []byte, one, two uint16) {
		i := int(one) % (len(text) + 1)
		j := i + int(two)%(len(text)-i+1)
		read := func(pieces ...[]byte) (string, error) {
			var got recorded
			var frames Frames
			for _, p := range pieces {
				if err := frames.Read(p, &got); err != nil {
					return got.text.String(), err
				}
			}
			return got.text.String(), nil
		}
		whole, err := read(text)
		cut, err2 := read(text[:i], text[i:j], text[j:])
		if whole != cut || (err == nil) != (err2 == nil) {
			t.Errorf("whole: %q, %v; cut: %q, %v", whole, err, cut, err2)
		}
	})
}
