// Package nats keeps the log in a NATS JetStream stream: on disk, on one machine or on three.
//
//	hub, err := todoke.New(todoke.Options{Engine: nats.New(nats.Options{Dir: "/var/lib/todoke"})})
//
// With Options.Dir alone the NATS server runs inside of this process and nothing has to be installed. With
// Options.Cluster three such processes are one system that survives the loss of any of them. With Options.URL
// the stream lives on NATS servers of one's own; any number of todoke nodes share it.
//
// # What holds
//
// An acknowledged message is in the stream, at its offset, which is the stream's sequence. It survives kill -9 of
// everything. What else it survives is Options.SyncInterval's and Options.Replicas' to say, and Caps tells it.
// One stream carries all channels, so one position resumes any number of them on any node.
//
// An epoch record in the log itself names the history. It is looked at each time the connection comes back and now and then:
// when the stream was wiped, made anew, or ends before what this node has seen, readers get a new epoch before anything
// of the new history. A batch is atomic: all of it is in the log, or nothing.
//
// # What does not
//
// The time of a message is the clock of the server that leads the stream: it goes back along the log when that clock is set back, and
// when another server with a slower clock takes over. An idempotency key is remembered within the window while its message is stored; when all servers of the
// stream restart, keys whose messages are no longer stored are forgotten. Retention is kept by each node when it reads; JetStream
// itself deletes what is beyond the largest of all namespaces, so one namespace without a limit in age lets all others fill the
// disk up to their number of messages. Options.MaxBytes is the limit of the whole.
package nats
