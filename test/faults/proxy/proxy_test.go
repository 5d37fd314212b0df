package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo is a server that gives back every line.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func newProxy(t *testing.T) *Proxy {
	p, err := New(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a line and waits for it to come back.
func ask(conn net.Conn, patience time.Duration) error {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return err
	}
	_, err := bufio.NewReader(conn).ReadString('\n')
	return err
}

const patience = 10 * time.Second

func TestCarriesCutsAndDelays(t *testing.T) {
	p := newProxy(t)
	a, b := dial(t, p), dial(t, p)
	for _, conn := range []net.Conn{a, b} {
		if err := ask(conn, patience); err != nil {
			t.Fatal(err)
		}
	}
	p.Delay(40 * time.Millisecond)
	began := time.Now()
	if err := ask(a, patience); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("there and back took %v with a delay of 40 ms each way", took)
	}
	p.Delay(0)
	if !p.CutOne() {
		t.Error("CutOne found no connection")
	}
	errA, errB := ask(a, patience), ask(b, patience)
	if (errA == nil) == (errB == nil) {
		t.Errorf("one of two was cut: %v, %v", errA, errB)
	}
	if n := p.Cut(); n != 1 {
		t.Errorf("Cut found %d connections, want 1", n)
	}
}

func TestSilence(t *testing.T) {
	p := newProxy(t)
	old := dial(t, p)
	if err := ask(old, patience); err != nil {
		t.Fatal(err)
	}
	p.Silence()
	fresh := dial(t, p)
	for name, conn := range map[string]net.Conn{"old": old, "new": fresh} {
		if err := ask(conn, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("in a silence the %s connection says %v", name, err)
		}
	}
	p.Speak()
	for name, conn := range map[string]net.Conn{"old": old, "new": fresh} {
		if err := ask(conn, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after a silence the %s connection, which lost bytes, says %v", name, err)
		}
	}
	if err := ask(dial(t, p), patience); err != nil {
		t.Errorf("a connection after the silence: %v", err)
	}
}

func TestDeadTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	l.Close()
	p, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil { // else it was reset already
		defer conn.Close()
		err = ask(conn, patience)
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection to nobody says %v", err)
	}
}
