package framing

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	coder "github.com/coder/websocket"
)

// A pipe is an http.RoundTripper that upgrades to a WebSocket over net.Pipe.
type pipe struct{ server net.Conn }

// RoundTrip answers the upgrade (RFC 6455 §4.2.2).
func (p *pipe) RoundTrip(r *http.Request) (*http.Response, error) {
	client, server := net.Pipe()
	p.server = server
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: client, Request: r, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(accept[:])},
	}}, nil
}

// echo is a server made of a Reader and the Append functions, which reads at most size bytes at a time. It returns the code
// of the close that came, or the fault.
func echo(conn net.Conn, size int) (code uint16, err error) {
	defer func() { _ = conn.Close() }()
	var reader Reader
	buffer := make([]byte, size)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return 0, err
		}
		var event Event
		for rest := buffer[:n]; ; {
			event, rest, err = reader.Next(rest, Rules{})
			if err != nil {
				return 0, err
			}
			if event.Op == 0 {
				break
			}
			if _, err := conn.Write(answer(event)); err != nil {
				return 0, err
			}
			if event.Op == Close {
				return event.Code, nil
			}
		}
	}
}

func answer(event Event) []byte {
	switch event.Op {
	case Close:
		return AppendClose(nil, event.Code, "")
	case Ping:
		return AppendPong(nil, event.Payload)
	case Pong:
		return nil
	default:
		b, mark := Begin(nil)
		return End(append(b, event.Payload...), mark, event.Op)
	}
}

// FuzzCoder lets another implementation's client speak with ours: it checks what we write, and we read what it writes.
func FuzzCoder(f *testing.F) {
	f.Add("hello", uint64(1), uint16(1))
	f.Add(letters(125), uint64(2), uint16(3))
	f.Add(letters(126), uint64(3), uint16(5))
	f.Add(letters(65535), uint64(4), uint16(100))
	f.Add(letters(65536), uint64(5), uint16(4096))
	f.Add(letters(200_000), uint64(6), uint16(60_000))
	f.Add("\xff\x00", uint64(7), uint16(2))
	f.Fuzz(func(t *testing.T, message string, seed uint64, size uint16) {
		ctx := t.Context()
		p := new(pipe)
		ws, _, err := coder.Dial(ctx, "ws://pipe", &coder.DialOptions{HTTPClient: &http.Client{Transport: p}})
		if err != nil {
			t.Fatal(err)
		}
		ws.SetReadLimit(-1)
		var code uint16
		var ended error
		var both sync.WaitGroup
		defer both.Wait()
		defer func() { _ = ws.CloseNow() }()
		both.Go(func() { code, ended = echo(p.server, int(size)+1) })
		kind := coder.MessageText
		if !utf8.ValidString(message) {
			kind = coder.MessageBinary
		}
		both.Go(func() { // the pipe has no buffer: both sides have to read while they write
			if err := writeFragments(ctx, ws, kind, message, rand.New(rand.NewPCG(seed, 0))); err != nil {
				t.Errorf("write: %v", err)
			}
		})
		gotKind, got, err := ws.Read(ctx)
		if err != nil || gotKind != kind || string(got) != message {
			t.Fatalf("%v %.50q… of %d bytes came as %v %.50q… of %d, %v", kind, message, len(message), gotKind, got, len(got), err)
		}
		if err := ws.Ping(ws.CloseRead(ctx)); err != nil {
			t.Errorf("ping: %v", err)
		}
		if err := ws.Close(4321, "bye"); err != nil {
			t.Errorf("close: %v", err)
		}
		if both.Wait(); code != 4321 || ended != nil {
			t.Errorf("the server saw code %d, %v", code, ended)
		}
	})
}

// writeFragments writes a message in as many frames as the writer's calls make.
func writeFragments(ctx context.Context, ws *coder.Conn, kind coder.MessageType, message string, random *rand.Rand) error {
	w, err := ws.Writer(ctx, kind)
	if err != nil {
		return err
	}
	for _, part := range shred(random, []byte(message)) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

// TestCoderReadsOurCloses: what AppendClose wrote is what the client is told.
func TestCoderReadsOurCloses(t *testing.T) {
	for _, c := range []struct {
		code   uint16
		reason string
		want   coder.CloseError
	}{
		{0, "", coder.CloseError{Code: coder.StatusNoStatusRcvd}},
		{CodePolicyViolation, errReceiveOnly.Reason, coder.CloseError{Code: coder.StatusPolicyViolation, Reason: errReceiveOnly.Reason}},
		{CodeTryAgainLater, strings.Repeat("€", 50), coder.CloseError{Code: coder.StatusTryAgainLater, Reason: strings.Repeat("€", 41)}},
	} {
		p := new(pipe)
		ws, _, err := coder.Dial(t.Context(), "ws://pipe", &coder.DialOptions{HTTPClient: &http.Client{Transport: p}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = p.server.Write(AppendClose(AppendText(nil, []byte("last")), c.code, c.reason))
			// The client answers with a close, and then the server ends the connection (RFC 6455 §7.1.1).
			_, _ = bufio.NewReader(p.server).Peek(6)
			_ = p.server.Close()
		}()
		if _, got, err := ws.Read(t.Context()); err != nil || !bytes.Equal(got, []byte("last")) {
			t.Errorf("got %q, %v", got, err)
		}
		_, _, err = ws.Read(t.Context())
		if got, ok := errors.AsType[coder.CloseError](err); !ok || got != c.want {
			t.Errorf("the client was told %v, want %v", err, c.want)
		}
		_ = ws.CloseNow()
		<-done
	}
}
