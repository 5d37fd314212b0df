package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
)

// The first byte of a frame (RFC 6455 §5.2).
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// masked builds a client's frame.
func masked[T string | []byte](first byte, payload T) []byte {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	frame := append(header(first, 0x80, uint64(len(payload))), key[:]...)
	for i := range len(payload) {
		frame = append(frame, payload[i]^key[i%4])
	}
	return frame
}

// unmasked builds a frame as only servers may send it.
func unmasked(first byte, payload string) []byte {
	return append(header(first, 0, uint64(len(payload))), payload...)
}

func header(first, mask byte, length uint64) []byte {
	switch {
	case length < 126:
		return []byte{first, mask | byte(length)}
	case length < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(length))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, mask | 127}, length)
	}
}

// closing is the payload of a close frame.
func closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// A rawPeer is a client that writes what bytes it likes.
type rawPeer struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// raw opens a WebSocket by hand.
func (s *site) raw(path string) *rawPeer {
	s.t.Helper()
	return s.rawWith(path, nil)
}

// rawWith sends more bytes with the handshake.
func (s *site) rawWith(path string, early []byte) *rawPeer {
	s.t.Helper()
	address := strings.TrimPrefix(s.server.URL, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if s.narrow.Load() {
		_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	p := &rawPeer{t: s.t, conn: conn, r: bufio.NewReader(conn)}
	p.write(append([]byte("GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"), early...))
	response, err := http.ReadResponse(p.r, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body)
		s.t.Fatalf("%s: %s: %s", path, response.Status, body)
	}
	// RFC 6455 §1.3 has this key and its answer.
	if accept := response.Header.Get("Sec-WebSocket-Accept"); accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		s.t.Errorf("Sec-WebSocket-Accept: %s", accept)
	}
	if extensions := response.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
		s.t.Errorf("extensions were negotiated: %s", extensions)
	}
	return p
}

func (p *rawPeer) write(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Logf("write: %v", err) // the server may have ended the link by then
	}
}

type rawFrame struct {
	opcode  byte
	payload []byte
}

// String writes frames as the tables have them.
func (f rawFrame) String() string {
	switch f.opcode {
	case opText:
		return "text " + string(f.payload)
	case opPing:
		return fmt.Sprintf("ping %q", f.payload)
	case opPong:
		return fmt.Sprintf("pong %q", f.payload)
	case opClose:
		if len(f.payload) < 2 {
			return "close"
		}
		return fmt.Sprintf("close %d", binary.BigEndian.Uint16(f.payload))
	default:
		return fmt.Sprintf("opcode %d: %q", f.opcode, f.payload)
	}
}

// readFrame reads a frame of the server's, which must be whole, without a mask and without reserved bits.
func (p *rawPeer) readFrame() (rawFrame, error) {
	var head [2]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return rawFrame{}, err
	}
	if head[0]&^0xf != fin || head[1]&0x80 != 0 {
		return rawFrame{}, fmt.Errorf("a server's frame begins with %x", head)
	}
	length := uint64(head[1])
	extended := map[byte]int{126: 2, 127: 8}[head[1]]
	if extended > 0 {
		var b [8]byte
		if _, err := io.ReadFull(p.r, b[8-extended:]); err != nil {
			return rawFrame{}, err
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	f := rawFrame{opcode: head[0] & 0xf, payload: make([]byte, length)}
	_, err := io.ReadFull(p.r, f.payload)
	return f, err
}

// readToEnd returns all frames up to the end of the connection.
func (p *rawPeer) readToEnd() []string {
	p.t.Helper()
	var got []string
	for {
		f, err := p.readFrame()
		if err != nil {
			if network, ok := err.(net.Error); ok && network.Timeout() {
				p.t.Error("the server did not end the connection")
			}
			return got
		}
		got = append(got, f.String())
		if f.opcode == opClose { // a well-behaved peer answers, and waits for the server to end (RFC 6455 §7.1.1)
			p.write(masked(fin|opClose, f.payload))
		}
	}
}

// dial2 asks for an upgrade and returns the answer.
func (s *site) dial2(t *testing.T, path string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range []string{"Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set([]string{"Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"}[i], value)
	}
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i] == "Method":
			r.Method = header[i+1]
		case header[i+1] == "":
			r.Header.Del(header[i])
		default:
			r.Header.Set(header[i], header[i+1])
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body := response.Body
	if response.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(body)
		response.Body = io.NopCloser(bytes.NewReader(b))
	}
	_ = body.Close()
	return response
}

// A failingEngine fails reads when it is told to.
type failingEngine struct {
	todoke.Engine
	fail atomic.Bool
}

func (e *failingEngine) Read(ctx context.Context, r todoke.Range) (todoke.Page, error) {
	if e.fail.Load() {
		return todoke.Page{}, &todoke.Error{Code: todoke.CodeUnavailable, Hint: "try again", Err: errStore}
	}
	return e.Engine.Read(ctx, r)
}
