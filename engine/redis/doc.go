// Package redis keeps todoke's log in Redis 7 or later, or in Valkey: one log for any number of nodes, on a server that many run
// already.
//
//	engine, err := redis.New(redis.Options{URL: "redis://127.0.0.1:6379"})
//	hub, err := todoke.New(todoke.Options{Engine: engine})
//
// One call of a function in Redis gives a batch its offsets, appends it to the streams of its channels and to the stream
// that every node tails, keeps to the channels' retention and looks at idempotency keys: all of it or nothing.
//
// What survives is what Redis keeps, and Caps reads its configuration: with appendonly and appendfsync always an
// acknowledged message survives the end of the process and of the machine; with everysec, the usual setting, or
// with snapshots a restart may lose the newest. Replication is asynchronous, so a replica that takes over may lack messages
// too. None of this is silent. Each run of a server, and each turn of it as a primary, has to be opened by a node before
// it takes messages; unless it can be proven that nothing was lost, that begins a new epoch: readers are told of a gap,
// and a publisher that still thinks of the old epoch is refused and told of the new one first.
//
// What it does not do: an old primary that is cut off from its replicas acknowledges messages until min-replicas-to-write
// stops it. One log has one counter, so Redis Cluster is refused; Sentinel is not. Everything is read from the primary.
package redis
