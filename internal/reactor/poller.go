//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// edge is EPOLLET, which package syscall has with the wrong sign.
const edge = 1 << 31

// An event is what epoll tells of one descriptor.
type event syscall.EpollEvent

func (e event) fd() int            { return int(e.Fd) }
func (e event) generation() uint32 { return uint32(e.Pad) }

// An error or a hang-up is found by reading and by writing.
func (e event) readable() bool {
	return e.Events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0
}

// hungUp: the peer sends nothing more.
func (e event) hungUp() bool {
	return e.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0
}

func (e event) writable() bool { return e.Events&(syscall.EPOLLOUT|syscall.EPOLLERR) != 0 }

// A poller waits for events of one epoll instance and hands them to the worker, a batch at a time.
type poller struct {
	file  *os.File // the epoll instance, which the runtime's poller watches: nothing is ever read from it
	fd    int
	taken chan struct{} // capacity 1: the worker has dealt with the batch
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or os.NewFile would not have it watched
		syscall.Close(fd)
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	return &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, taken: make(chan struct{}, 1)}, nil
}

// add watches a descriptor. Edge-triggered, EPOLLOUT is told only after a send was cut short.
func (p *poller) add(fd int, generation uint32) error {
	e := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | edge,
		Fd:     int32(fd), Pad: int32(generation),
	}
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd, &e)
}

// remove watches a descriptor no more.
func (p *poller) remove(fd int) error {
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, fd, &syscall.EpollEvent{})
}

// run hands events over until the poller is closed.
func (p *poller) run(w *Worker) {
	raw, err := p.file.SyscallConn()
	if err != nil {
		w.log.Error("the reactor cannot wait for events", "error", err)
		return
	}
	found := make([]syscall.EpollEvent, 256)
	batch := make([]event, 0, len(found))
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			if n, err = syscall.EpollWait(int(fd), found, 0); errors.Is(err, syscall.EINTR) {
				n, err = 0, nil
			}
			return n > 0 || err != nil
		})
		if err != nil || n <= 0 {
			return // closed
		}
		batch = batch[:0]
		for _, e := range found[:n] {
			batch = append(batch, event(e))
		}
		w.deliver(batch)
		select {
		case <-p.taken:
		case <-w.stop:
			return
		}
	}
}

// resume lets the poller use the batch again.
func (p *poller) resume() { p.taken <- struct{}{} }

func (p *poller) close() { p.file.Close() }
