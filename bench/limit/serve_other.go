//go:build !linux

package main

import "errors"

func serve(string, bool, func(url string)) error {
	return errors.New("it needs Linux: the limit is that of epoll and write(2)")
}
