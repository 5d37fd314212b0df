//go:build !unix

package server

// openFilesLimit is not known here.
func openFilesLimit() uint64 { return 0 }
