// Package reactor keeps many TCP connections without a goroutine or a buffer for each. A Worker owns its connections: whatever
// happens to one is told to its Handler at the worker's turn, one thing after the other, so handlers need no locks.
//
// A turn is taken by the worker's goroutine, or, for a few visits, by whoever wakes it while it is idle: that spares a switch between
// goroutines, which is most of the cost of one delivery. There is never more than one at a time.
//
// Readiness comes from an epoll instance of the worker's own, edge-triggered, so nothing is armed or disarmed per
// event; the runtime's poller waits for that instance, and an idle worker occupies no thread. Events carry the descriptor's generation: one
// that comes late, for a descriptor that was closed and given anew, reaches nobody.
//
// Sends are raw system calls that do not block. They hide from Go's scheduler, so the worker yields between batches of them.
//
// Linux only. Elsewhere New fails with errors.ErrUnsupported, and callers use goroutines.
package reactor
