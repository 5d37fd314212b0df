package broadcast_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/broadcast"
	"github.com/todoke-dev/todoke/engine/directorytest"
)

// A hall is a bus in memory that loses a part of the notes.
type hall struct {
	lost float64

	mu    sync.Mutex
	r     *rand.Rand
	seats map[*seat]struct{}
}

// A seat is a node's end of it.
type seat struct {
	hall *hall
	in   chan []byte
	cut  context.Context
	end  context.CancelFunc
}

func (h *hall) seat() *seat {
	s := &seat{hall: h, in: make(chan []byte, 4096)}
	s.cut, s.end = context.WithCancel(context.Background())
	return s
}

func (s *seat) Send(_ context.Context, note []byte) error {
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	for other := range s.hall.seats {
		if s.cut.Err() != nil || s.hall.r.Float64() < s.hall.lost {
			continue
		}
		select {
		case other.in <- note:
		default:
		}
	}
	return nil
}

func (s *seat) Receive(ctx context.Context, receiving func(), take func([]byte)) error {
	s.hall.mu.Lock()
	s.hall.seats[s] = struct{}{}
	s.hall.mu.Unlock()
	defer func() {
		s.hall.mu.Lock()
		defer s.hall.mu.Unlock()
		delete(s.hall.seats, s)
	}()
	receiving()
	for {
		select {
		case note := <-s.in:
			take(note)
		case <-s.cut.Done():
			<-ctx.Done()
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestDirectory(t *testing.T) { run(t, 0) }

// A directory whose notes are lost, one in five, comes to the same.
func TestDirectoryOverALossyBus(t *testing.T) { run(t, 0.2) }

func run(t *testing.T, lost float64) {
	halls, seats := map[*testing.T]*hall{}, map[todoke.Directory]*seat{}
	directorytest.Run(t, directorytest.Harness{
		Join: func(t *testing.T, node string, ttl time.Duration) todoke.Directory {
			if halls[t] == nil {
				halls[t] = &hall{lost: lost, r: rand.New(rand.NewPCG(1, 2)), seats: map[*seat]struct{}{}}
			}
			if lost > 0 {
				ttl = min(ttl, 2*time.Second) // what is lost is made good by beats
			}
			s := halls[t].seat()
			d, err := broadcast.New(node, ttl, s, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			seats[d] = s
			return d
		},
		Cut: func(_ *testing.T, d todoke.Directory) { seats[d].end() },
	})
}

func TestNamesAndLeases(t *testing.T) {
	for _, tt := range []struct {
		node string
		ttl  time.Duration
	}{{"", time.Second}, {string(make([]byte, 65)), time.Second}, {"a", time.Millisecond}, {"a", -1}} {
		if d, err := broadcast.New(tt.node, tt.ttl, nil, nil); err == nil {
			d.Close()
			t.Errorf("%q for %v is taken", tt.node, tt.ttl)
		}
	}
}
