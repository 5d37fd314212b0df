//go:build !race

package nats_test

// raced: without the race detector the suite is run as it is.
const raced = false
