package nats_test

// child runs what a test wants to run in a process of its own; false: this is no such process.
func child() bool { return false }
