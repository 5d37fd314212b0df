//go:build race

package nats_test

// raced: the race detector makes an embedded server ten times as slow, so the suite is run on fewer messages.
const raced = true
