//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package reactor

import (
	"errors"
	"io"
	"syscall"
	"unsafe"
)

// Send writes to a descriptor what the kernel takes at once. sent may be less than len(p). The call is raw and does not block: package net would add
// a quarter to its cost.
func Send(fd int, p []byte) (sent int, err error) {
	for sent < len(p) {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[sent])), uintptr(len(p)-sent),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM: // the last two: the machine's memory, not the peer
			return sent, nil
		default:
			return sent, errno
		}
	}
	return sent, nil
}

// Receive reads from a descriptor. The end is io.EOF, nothing at present ErrWouldBlock.
func Receive(fd int, p []byte) (int, error) { return receive(fd, p, syscall.MSG_DONTWAIT) }

// Ended reports whether the peer has closed or reset the connection, and nothing of what it sent is left to read.
func Ended(fd int) bool {
	var one [1]byte
	_, err := receive(fd, one[:], syscall.MSG_DONTWAIT|syscall.MSG_PEEK)
	return err != nil && !errors.Is(err, ErrWouldBlock)
}

func receive(fd int, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			if n == 0 {
				return 0, io.EOF
			}
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, ErrWouldBlock
		default:
			return 0, errno
		}
	}
}

// CutOff ends both directions of a connection whose descriptor somebody else still has.
func CutOff(fd int) { _ = syscall.Shutdown(fd, syscall.SHUT_RDWR) }
