package transporttest

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/todoke-dev/todoke"
)

// cutInMidFrame has the network end in the middle of whatever is on its way, again and again; the reader resumes and has
// everything once.
func cutInMidFrame(t *testing.T, setup Setup, d Driver) {
	const messages = 60
	s := setup(t, allowed())
	p := newProxy(t, strings.TrimPrefix(s.URL, "http://"))
	position := s.Hub.Head().String()
	for i := range messages {
		publish(t, s, "a", strings.Repeat("line "+string(rune('a'+i%26))+"\n", 1+i*7))
	}
	r := rand.New(rand.NewPCG(3, uint64(len(d.Name))))
	seen, cuts := 0, 0
	var last error
	for seen < messages {
		if cuts > 1000 {
			t.Fatalf("%d cuts, and no more than %d messages: %v", cuts, seen, last)
		}
		p.limit.Store(int64(300 + r.IntN(30_000)))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		reader, err := d.Open(ctx, "http://"+p.address, []string{"a"}, position)
		if last = err; err != nil {
			cuts++
			cancel()
			continue
		}
		for seen < messages {
			e, err := reader.Next(ctx)
			if ctx.Err() != nil {
				t.Fatal(ctx.Err())
			}
			if last = err; err != nil {
				break
			}
			want := strings.Repeat("line "+string(rune('a'+seen%26))+"\n", 1+seen*7)
			if e.Message == nil || e.Message.Text() != want {
				t.Fatalf("message %d is %.60s", seen, word(e))
			}
			seen++
		}
		position = reader.Position()
		reader.Close()
		cancel()
		cuts++
	}
	if cuts < 5 {
		t.Errorf("only %d cuts", cuts)
	}
}

// A proxy passes TCP on and ends each connection after limit bytes towards the client.
type proxy struct {
	address string
	limit   atomic.Int64
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: listener.Addr().String()}
	p.limit.Store(int64(todoke.MaxOffset))
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.pass(client, target) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return p
}

func (p *proxy) pass(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		io.Copy(server, client)
		server.Close() // the client went: so does the server's side, which ends the copy below
	})
	io.CopyN(client, server, p.limit.Load())
	client.Close()
	server.Close()
	up.Wait()
}
