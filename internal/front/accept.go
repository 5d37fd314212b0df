//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/todoke-dev/todoke/internal/reactor"
)

// listenTo duplicates the listener's descriptor.
func listenTo(l *net.TCPListener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var file *os.File
	failed := raw.Control(func(fd uintptr) {
		// A connection is accepted when its first bytes have come (TCP_DEFER_ACCEPT, tcp(7)), or after a second without: so mostly
		// the request is there, and nobody has to wait for it.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, 1)
		const dupCloexec = 0x406 // F_DUPFD_CLOEXEC
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, dupCloexec, 0)
		if errno != 0 {
			err = errno
			return
		}
		file = os.NewFile(n, "listener") // it does not block, so the runtime's poller waits for it
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("duplicate the listener's descriptor: %w", err)
	}
	return file, nil
}

// Pauses after an error: they double.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept takes connections as descriptors, which spares the net package's part of each. It goes on until the port is closed: an error passes,
// or is told again and again.
func (f *Front) accept() {
	raw, err := f.ear.SyscallConn()
	if err != nil {
		return // closed
	}
	pause := firstPause
	for {
		fd, from, err := acceptOne(raw)
		switch {
		case err == nil:
			f.take(fd, from)
			pause = firstPause
			continue
		case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
			continue
		case f.closing.Load():
			return
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			if f.o.Refuse(func() error { return refuseOne(raw) }) {
				continue
			}
		default:
			f.o.Logger.Warn("connections cannot be accepted", slog.Any("error", err), slog.Duration("again_in", pause))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-f.closed: // Shutdown alone has the next try fail
			timer.Stop()
		}
		pause = min(2*pause, lastPause)
	}
}

// refuseOne takes a connection and resets it: the client sees at once that it is not let in. It does not wait for one.
func refuseOne(raw syscall.RawConn) error {
	var fd int
	var err error
	failed := raw.Control(func(listener uintptr) { fd, _, err = syscall.Accept4(int(listener), syscall.SOCK_CLOEXEC) })
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	reset(fd)
	reactor.Discard(fd)
	return nil
}

// reset has a connection end in a reset when it is closed.
func reset(fd int) {
	_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
}

// acceptOne waits for a connection. That the process may open no more files is said only when there is one: the kernel says so
// before it looks.
func acceptOne(raw syscall.RawConn) (fd int, from netip.AddrPort, err error) {
	var address syscall.Sockaddr
	waited := raw.Read(func(listener uintptr) bool {
		fd, address, err = syscall.Accept4(int(listener), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		full := errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
		return !errors.Is(err, syscall.EAGAIN) && (!full || readable(int(listener)))
	})
	if waited != nil {
		return -1, from, waited
	}
	if err != nil {
		return -1, from, fmt.Errorf("accept a connection: %w", err)
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd, addrPort(address), nil
}

// readable reports whether a descriptor has something to read, or an error.
func readable(fd int) bool {
	poll := struct {
		fd             int32
		events, filled int16
	}{fd: int32(fd), events: 1} // POLLIN
	var now syscall.Timespec
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno != 0 || n > 0
}

func addrPort(address syscall.Sockaddr) netip.AddrPort {
	switch a := address.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 && ip.Is6() { // a link-local address
			if link, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				ip = ip.WithZone(link.Name)
			}
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}
