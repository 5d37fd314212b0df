//go:build unix

package server

import "syscall"

// openFilesLimit is how many files this process may have open; 0: not known.
func openFilesLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
