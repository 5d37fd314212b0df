//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"sync"
	"sync/atomic"
)

// idleGoroutines is how many wait for the next job. Their stacks have grown to what a handler needs.
const idleGoroutines = 32

// A stock is the goroutines that call handlers: as many as there are requests under way, and a few that wait.
type stock struct {
	once    sync.Once
	closing sync.Once
	jobs    chan job
	stop    chan struct{}
	idle    atomic.Int32
	running sync.WaitGroup
}

func (s *stock) init() {
	s.once.Do(func() { s.jobs, s.stop = make(chan job), make(chan struct{}) })
}

// do has a goroutine carry out the job.
func (s *stock) do(j job) {
	s.init()
	select {
	case s.jobs <- j:
	default:
		s.running.Go(func() { s.run(j) })
	}
}

func (s *stock) run(j job) {
	var buffers scratch
	for {
		j.serve(&buffers)
		j = job{}
		if s.idle.Add(1) > idleGoroutines {
			s.idle.Add(-1)
			return
		}
		select {
		case j = <-s.jobs:
			s.idle.Add(-1)
		case <-s.stop:
			return
		}
	}
}

// close ends the goroutines that wait, and waits for those that work. It may be called again.
func (s *stock) close() {
	s.init()
	s.closing.Do(func() { close(s.stop) })
	s.running.Wait()
}
