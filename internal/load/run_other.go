//go:build !linux

package load

import "context"

// Run returns ErrUnsupported.
func Run(context.Context, Config) (*Result, error) { return nil, ErrUnsupported }
