//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// An echo sends back what it reads, and at the end closes its own direction. What its peer does not take it keeps.
type echo struct {
	Conn
	b    *bench
	rest []byte
	end  bool
}

func (e *echo) Expired() {}
func (e *echo) Stopped() { e.Close() }

func (e *echo) Readable() {
	for !e.end {
		n, err := e.Receive(e.b.Buffer())
		switch {
		case errors.Is(err, ErrWouldBlock):
			return
		case errors.Is(err, io.EOF):
			e.end = true
		case err != nil:
			e.Close()
			return
		default:
			e.send(e.b.Buffer()[:n])
		}
		if !e.Open() {
			return
		}
	}
	e.finish()
}

func (e *echo) Writable() {
	rest := e.rest
	e.rest = nil
	e.send(rest)
	e.finish()
}

func (e *echo) send(p []byte) {
	if len(e.rest) == 0 {
		sent, err := e.Send(p)
		if err != nil {
			e.Close()
			return
		}
		p = p[sent:]
	}
	e.rest = append(e.rest, p...)
}

func (e *echo) finish() {
	if e.end && len(e.rest) == 0 {
		e.Close() // it was read to its end, so this is no reset
	}
}

// streamThrough writes data in pieces whose sizes cuts gives, and reads it back.
func streamThrough(t *testing.T, b *bench, data, cuts []byte) {
	peer, ours := connect(t)
	defer peer.Close()
	peer.SetDeadline(time.Now().Add(patience))
	fd, err := Detach(ours, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{b: b}
	b.do(func() {
		if err := b.Add(&e.Conn, fd, e); err != nil {
			t.Error(err)
		}
	})
	if len(cuts) > 0 && cuts[0] == 0xff { // the peer resets in the middle: only the end is looked at
		peer.Write(data[:len(data)/2])
		peer.SetLinger(0)
		peer.Close()
		await(t, "the connection to be closed", func() (closed bool) {
			b.do(func() { closed = !e.Open() })
			return closed
		})
		return
	}
	go func() {
		rest := data
		for _, c := range cuts {
			n := min(int(c)*37+1, len(rest))
			peer.Write(rest[:n])
			rest = rest[n:]
		}
		peer.Write(rest)
		peer.CloseWrite()
	}()
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came back of %d, %v", len(got), len(data), err)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("hello"), []byte{0, 0, 1})
	f.Add(bytes.Repeat([]byte("0123456789"), 30_000), []byte{255, 1, 2, 3})
	f.Add(bytes.Repeat([]byte("0123456789"), 30_000), []byte{1, 2, 3})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, data, cuts []byte) { streamThrough(t, start(t, nil), data, cuts) })
}

// Many streams at once, of which some are reset.
func TestStreams(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	b := start(t, nil)
	t.Run("all", func(t *testing.T) {
		for i := range 24 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				for range 5 {
					data, cuts := make([]byte, r.IntN(1<<r.IntN(20))), make([]byte, r.IntN(100))
					for i := range data {
						data[i] = byte(r.Uint32())
					}
					for i := range cuts {
						cuts[i] = byte(r.Uint32())
					}
					streamThrough(t, b, data, cuts)
				}
			})
		}
	})
	await(t, "all connections to be closed", func() bool { return b.Connections() == 0 })
}
