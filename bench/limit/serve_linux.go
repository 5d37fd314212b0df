package main

import (
	"fmt"
	"net"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readBytes = 128 << 10
	maxEvents = 256
	// mostPending is how much a reader that does not read may be owed; then it is cut.
	mostPending = 64 << 20
)

// A server is the whole of it. Everything belongs to one thread.
type server struct {
	shared   bool
	epoll    int
	listener int
	conns    []*conn // by descriptor
	channels map[string]*channel
	dirty    []*channel // have something that was not written yet
	buf      []byte
	number   uint64 // of the last message
	dead     []*conn
}

// A channel has its readers, and the events that they still have to get.
type channel struct {
	readers []*conn
	bytes   []byte // the events behind each other
	ends    []int  // where each ends
}

type conn struct {
	fd      int
	in      []byte // the beginning of a request
	pending []byte // what the socket did not take
	reads   *channel
	place   int // among the channel's readers
}

func serve(address string, shared bool, listening func(url string)) error {
	runtime.LockOSThread()
	listener, url, err := listen(address)
	if err != nil {
		return err
	}
	s := &server{shared: shared, listener: listener, channels: map[string]*channel{}, buf: make([]byte, readBytes)}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("making an epoll: %w", err)
	}
	if err := s.watch(listener, unix.EPOLLIN); err != nil {
		return err
	}
	listening(url)
	return s.loop()
}

func listen(address string) (fd int, url string, err error) {
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return 0, "", err
	}
	if !tcp.IP.IsLoopback() {
		return 0, "", fmt.Errorf("%s is not an address of this machine alone; take 127.0.0.1", address)
	}
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, "", fmt.Errorf("opening a socket: %w", err)
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, "", fmt.Errorf("setting SO_REUSEADDR: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}); err != nil {
		return 0, "", fmt.Errorf("binding to %s: %w", address, err)
	}
	if err = unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return 0, "", fmt.Errorf("listening on %s: %w", address, err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, "", fmt.Errorf("asking for the port: %w", err)
	}
	return fd, fmt.Sprintf("http://%s:%d", tcp.IP, name.(*unix.SockaddrInet4).Port), nil
}

func (s *server) watch(fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("watching a socket: %w", err)
	}
	return nil
}

func (s *server) loop() error {
	var events [maxEvents]unix.EpollEvent
	for {
		n, err := unix.EpollWait(s.epoll, events[:], -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for events: %w", err)
		}
		for i := range n {
			fd := int(events[i].Fd)
			if fd == s.listener {
				if err := s.accept(); err != nil {
					return err
				}
				continue
			}
			if c := s.conns[fd]; c != nil {
				s.handle(c, events[i].Events)
			}
		}
		// The publishers have their answers already: what they send meanwhile is the next turn's.
		for _, ch := range s.dirty {
			s.deliver(ch)
		}
		s.dirty = s.dirty[:0]
		s.bury()
	}
}

func (s *server) accept() error {
	for {
		fd, err := accept4(s.listener)
		switch err {
		case 0:
		case unix.EAGAIN:
			return nil
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			return fmt.Errorf("accepting: %w", err)
		}
		for fd >= len(s.conns) {
			s.conns = append(s.conns, make([]*conn, fd+1)...)
		}
		s.conns[fd] = &conn{fd: fd}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if err := s.watch(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET&0xffffffff); err != nil {
			return err
		}
	}
}

// accept4 does not ask for the peer's address, which unix.Accept4 would allocate.
func accept4(listener int) (int, unix.Errno) {
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(fd), errno
}

func (s *server) handle(c *conn, events uint32) {
	if events&unix.EPOLLOUT != 0 && len(c.pending) > 0 {
		rest := c.pending
		c.pending = nil
		s.write(c, rest)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	for c.fd >= 0 {
		n, errno := read(c.fd, s.buf)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
			continue
		case errno != 0 || n == 0:
			s.end(c)
			return
		}
		s.requests(c, s.buf[:n])
	}
}

// deliver writes a channel's events to all of its readers: each of them alone, or together. A reader gets all that it lacks while its
// socket is in the caches.
func (s *server) deliver(ch *channel) {
	for _, c := range ch.readers {
		if s.shared {
			s.write(c, ch.bytes)
			continue
		}
		start := 0
		for _, end := range ch.ends {
			s.write(c, ch.bytes[start:end])
			start = end
		}
	}
	ch.bytes, ch.ends = ch.bytes[:0], ch.ends[:0]
}

// write is the one system call of a delivery.
func (s *server) write(c *conn, text []byte) {
	if c.fd < 0 {
		return
	}
	if len(c.pending) == 0 {
		n, errno := write(c.fd, text)
		if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			s.end(c)
			return
		}
		if n == len(text) {
			return
		}
		text = text[max(n, 0):]
	}
	if c.pending = append(c.pending, text...); len(c.pending) > mostPending {
		s.end(c)
	}
}

// end cuts a connection. Its place among the readers is given up when nobody walks over them.
func (s *server) end(c *conn) {
	if c.fd < 0 {
		return
	}
	unix.Close(c.fd)
	s.conns[c.fd] = nil
	c.fd = -1
	if c.reads != nil {
		s.dead = append(s.dead, c)
	}
}

func (s *server) bury() {
	for _, c := range s.dead {
		readers := c.reads.readers
		last := readers[len(readers)-1]
		readers[c.place], last.place = last, c.place
		c.reads.readers = readers[:len(readers)-1]
	}
	s.dead = s.dead[:0]
}

// The raw calls: they do not block, so the scheduler needs not know of them.

func read(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func write(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}
