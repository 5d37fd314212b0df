// Package storetest starts the stores of engines for tests of any room: redis-server and nats-server as processes of their own, on
// loopback, in a directory of the test's own, ended with it. They can be killed, paused and started again on what they kept.
package storetest
