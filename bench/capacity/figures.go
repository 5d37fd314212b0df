package main

// Measured. Two cores shared by server, engine and client, over loopback; single runs, so orders of size, not promises. Measure again on
// your machines (docs/benchmarks.md says how) and change them here. The figures of links and deliveries come from runs that docs/benchmarks.md
// does not print yet: it waits for a quiet machine.
const (
	// evented link, idle: the budget it is held to; "a few hundred bytes" in docs/decisions/0008-evented-links.md.
	idleEventedBytes = 750
	// idle link over TLS: a goroutine, its stack, the buffers of crypto/tls (28 KB of it also without TLS,
	// docs/decisions/0008-evented-links.md).
	idleTLSBytes = 40_000
	// the kernel's own for an idle socket, in no process (docs/benchmarks.md).
	kernelSocketBytes = 4_096
	// deliveries a CPU-second at a modest rate: one send for each (todoke bench fanout; write(2) is most of it).
	deliveriesPerCPU = 170_000
	// deliveries a CPU-second where what was published meanwhile shares a send: 2 to 4 million, saturated; the lower end.
	joinedDeliveriesPerCPU = 2_000_000
	// messages/s that one tail brings to its node, catching up from NATS: 350,000 to 420,000 (docs/engines.md). One goroutine.
	tailPerCPU = 350_000
	// processor time of an acknowledged publish: two cores ÷ 43,000/s, 64 publishers, engine and client included (docs/engines.md). Above the truth.
	publishCPUSeconds = 2.0 / 43_000
	// messages/s of one stream on three NATS servers, through todoke, in batches of 100 by 8 publishers (docs/engines.md).
	natsBatchedPerStream = 51_000
	// … and one message at a time by each of 64 publishers (docs/engines.md).
	natsSinglePerStream = 22_000
	// messages/s of one Redis, everysec, in batches over 100 channels (docs/engines.md).
	redisPerStream = 57_000
	// processor cores under the three of these rates, engine and client together: the machine had no more.
	coresPerStream = 2
	// what a message takes on disk beyond its data: 231 MB for a million messages of 200 bytes on 100,000 subjects in JetStream's files.
	storedOverheadBytes = 31
	// a message in a node's memory beyond its data, and a channel's state: the memory engine's (go test -bench in the root package).
	heldMessageBytes, channelBytes = 300, 250
	// the interval of keep-alives, and the bytes of one in SSE (docs/protocol.md).
	keepAliveSeconds, keepAliveBytes = 15, 85
)

// Assumed, not measured.
const (
	// deliveries a CPU-second over TLS: a record, a goroutine switch and a copy for each.
	tlsDeliveriesPerCPU = 100_000
	// what a delivered message has around its data: id and data lines in SSE, a chunk.
	frameBytes = 50
	// Ethernet, IPv4 and TCP with timestamps, for each send.
	packetBytes = 66
	// the head of a publish over HTTP/1.1 on a kept connection, and of its answer.
	requestBytes = 400
	// what a message has around its data between the engine and a node: subject, headers, acknowledgement.
	tailOverheadBytes = 100
	// messages of each channel that a node holds in its tail, on average.
	tailMessages = 8
)
