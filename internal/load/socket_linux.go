package load

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// spareFiles are what the process needs beside its connections.
	spareFiles = 32
	// portsPerAddress is how many connections one local address makes to a server; there are 28,232 ports by default.
	portsPerAddress = 15_000
)

// roomFor raises the limit of open files as far as it goes and tells whether n connections fit.
func roomFor(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("raising the limit of open files: %w", err)
		}
	}
	if need := uint64(n + spareFiles); need > limit.Max {
		return fmt.Errorf("%w: %d connections need %d open files, the limit is %d; take fewer readers, or raise it (ulimit -Hn)", ErrTooMany, n, need, limit.Max)
	}
	return nil
}

// A dialer opens sockets to one address.
type dialer struct {
	to       unix.Sockaddr
	family   int
	loopback bool
	opened   int
	addr     netip.AddrPort
}

func newDialer(address string) (*dialer, error) {
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	ip := tcp.AddrPort().Addr().Unmap()
	d := &dialer{loopback: ip.IsLoopback(), addr: netip.AddrPortFrom(ip, uint16(tcp.Port))}
	if ip.Is4() {
		d.family, d.to = unix.AF_INET, &unix.SockaddrInet4{Port: tcp.Port, Addr: ip.As4()}
	} else {
		d.family, d.to = unix.AF_INET6, &unix.SockaddrInet6{Port: tcp.Port, Addr: ip.As16()}
	}
	return d, nil
}

// open begins a connection; the socket is writable when it stands. Only publishers write more than once.
func (d *dialer) open(publishes bool) (fd int, err error) {
	fd, err = unix.Socket(d.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening a socket: %w", err)
	}
	if err := d.prepare(fd, publishes); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Connect(fd, d.to); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, fmt.Errorf("connecting to %v: %w", d.addr, err)
	}
	return fd, nil
}

func (d *dialer) prepare(fd int, publishes bool) error {
	if publishes {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return fmt.Errorf("setting TCP_NODELAY: %w", err)
		}
	}
	from := d.opened / portsPerAddress % 250
	d.opened++
	if !d.loopback || d.family != unix.AF_INET || from == 0 {
		return nil
	}
	// The whole of 127.0.0.0/8 is this machine: another address has ports of its own. The port is chosen at connect.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("setting IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	local := [4]byte{127, 0, 0, byte(1 + from)}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: local}); err != nil {
		return fmt.Errorf("binding to 127.0.0.%s: %w", strconv.Itoa(1+from), err)
	}
	return nil
}

// setBuffer sets how much the kernel keeps of what a socket was not read of.
func setBuffer(fd, bytes int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes); err != nil {
		return fmt.Errorf("setting SO_RCVBUF: %w", err)
	}
	return nil
}

// cut ends a connection with a reset, so that its port is free at once.
func cut(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}
