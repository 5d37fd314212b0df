//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestReadable(t *testing.T) {
	b := start(t, nil)
	p := &probe{}
	got := make(chan string, 10)
	p.onReadable = func() {
		var data []byte
		switch err := p.receive(&data); {
		case errors.Is(err, ErrWouldBlock):
			if len(data) > 0 {
				got <- string(data)
			}
		case errors.Is(err, io.EOF):
			p.Close()
			got <- string(data) + "."
		default:
			t.Error(err)
		}
	}
	peer := b.add(p)
	for _, text := range []string{"one", "two", "three"} {
		io.WriteString(peer, text)
		if s := <-got; s != text {
			t.Fatalf("%q instead of %q", s, text)
		}
	}
	io.WriteString(peer, "last")
	peer.CloseWrite() // the data and the end may come as one event or as two
	text := <-got
	for text[len(text)-1] != '.' {
		text += <-got
	}
	if text != "last." || b.Connections() != 0 {
		t.Fatalf("%q, %d connections", text, b.Connections())
	}
}

// A connection that was readable before it was added is told of it.
func TestReadableBeforeAdd(t *testing.T) {
	b := start(t, nil)
	peer, ours := connect(t)
	io.WriteString(peer, "early")
	fd, err := Detach(ours, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{b: b}
	got := make(chan string, 2)
	p.onReadable = func() {
		var data []byte
		p.receive(&data)
		got <- string(data)
	}
	b.do(func() { b.Add(&p.Conn, fd, p) })
	if s := <-got; s != "early" {
		t.Fatalf("%q", s)
	}
}

// What a peer takes a bit at a time arrives whole: Send until it would block, and go on when told.
func TestSendResumes(t *testing.T) {
	b := start(t, nil)
	p := &probe{}
	data := make([]byte, 32<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	rest, blocked := data, 0
	pump := func() {
		if len(rest) == 0 {
			return
		}
		sent, err := p.Send(rest)
		if err != nil {
			t.Error(err)
			p.Close()
			return
		}
		if rest = rest[sent:]; len(rest) > 0 {
			blocked++
		} else if err := p.CloseWrite(); err != nil {
			t.Error(err)
		}
	}
	p.onWritable = pump
	peer := b.add(p)
	b.do(pump)
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(data), err)
	}
	b.do(func() {
		if blocked == 0 {
			t.Error("the kernel took everything at once: the test shows nothing")
		}
	})
}

// Half-close: our peer has said all it has to say, and still listens.
func TestHalfClose(t *testing.T) {
	b := start(t, nil)
	p := &probe{}
	p.onReadable = func() {
		var data []byte
		if errors.Is(p.receive(&data), io.EOF) {
			if n, err := p.Send([]byte("answer")); n != 6 || err != nil {
				t.Error(n, err)
			}
			p.Close()
		}
	}
	peer := b.add(p)
	peer.CloseWrite()
	if got, err := io.ReadAll(peer); string(got) != "answer" || err != nil {
		t.Fatalf("%q %v", got, err)
	}
}

func TestReset(t *testing.T) {
	b := start(t, nil)
	p := &probe{}
	ended := make(chan error, 10)
	p.onReadable = func() {
		var data []byte
		if err := p.receive(&data); !errors.Is(err, ErrWouldBlock) {
			_, sendErr := p.Send([]byte("x"))
			ended <- errors.Join(err, sendErr)
			p.Close()
		}
	}
	peer := b.add(p)
	peer.SetLinger(0)
	peer.Close()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	b.do(func() {
		if _, err := p.Send([]byte("x")); err == nil {
			t.Error("a closed connection sends")
		}
		p.Close()
		p.SetTimer(tick) // too late, and of no consequence
		p.StopTimer()
	})
}

func TestDetachRefuses(t *testing.T) {
	leavesNothing(t)
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	peer, ours := connect(t)
	defer ours.Close()
	for _, conn := range []net.Conn{one, tls.Server(ours, &tls.Config{})} {
		if fd, err := Detach(conn, time.Second); !errors.Is(err, errors.ErrUnsupported) || fd >= 0 {
			t.Errorf("%T: %d, %v", conn, fd, err)
		}
	}
	io.WriteString(ours, "still there") // what was refused is as it was
	got := make([]byte, 11)
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "still there" {
		t.Errorf("%q %v", got, err)
	}
	peer.Close()
	ours.Close()
	if fd, err := Detach(ours, time.Second); err == nil || errors.Is(err, errors.ErrUnsupported) || fd >= 0 {
		t.Errorf("a closed connection was detached: %d, %v", fd, err)
	}
}

// Without a descriptor to spare a connection is not detached, and nothing is lost of others.
func TestDetachWithoutDescriptors(t *testing.T) {
	b := start(t, nil)
	_, ours := connect(t)
	p := &probe{}
	got := make(chan string, 4)
	p.onReadable = func() {
		var data []byte
		p.receive(&data)
		got <- string(data)
	}
	other := b.add(p)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = 3 // what is open stays open; nothing new can be
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Skip(err)
	}
	fd, err := Detach(ours, time.Second)
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.EINVAL) || fd >= 0 || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%d, %v", fd, err)
	}
	if err := ours.Close(); err != nil {
		t.Errorf("the connection was not left as it was: %v", err)
	}
	io.WriteString(other, "x")
	if s := <-got; s != "x" {
		t.Errorf("%q", s)
	}
}
