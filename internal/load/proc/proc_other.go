//go:build !linux

package proc

// Read returns ErrUnsupported.
func Read(...int) (Usage, error) { return Usage{}, ErrUnsupported }

// Listener returns ErrUnsupported.
func Listener(int) (int, error) { return 0, ErrUnsupported }
