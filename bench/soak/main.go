// Soak publishes at random, cuts connections at random, and resumes, on every transport, and checks every reader's
// sequence. It prints what was lost, duplicated and reordered, and whether goroutines and memory are back where they
// began. It runs everything in one process, over loopback; it is no part of the tests.
//
//	go run ./bench/soak -for 10m
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	duration := flag.Duration("for", 10*time.Minute, "how long to publish")
	readers := flag.Int("readers", 8, "readers on each transport")
	rate := flag.Int("rate", 500, "messages a second, over all channels")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of everything random")
	flag.Parse()
	fmt.Printf("soak: %v, %d readers on each transport, %d messages/s, seed %d\n", *duration, *readers, *rate, *seed)
	if err := run(*duration, *readers, *rate, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(duration time.Duration, readers, rate int, seed uint64) error {
	s, err := newStage()
	if err != nil {
		return err
	}
	before := measure()
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	result := s.play(ctx, readers, rate, seed)
	after := settled(before)
	fmt.Printf("published %d, delivered %d, cuts %d, resumed on another transport %d\n", result.published, result.delivered, result.cuts, result.hops)
	fmt.Printf("lost %d, duplicated %d, reordered %d, gaps %d, errors %d\n", result.lost, result.duplicated, result.reordered, result.gaps, result.errors)
	fmt.Printf("goroutines: %d before, %d after; heap: %.1f MiB before, %.1f MiB after\n", before.goroutines, after.goroutines, before.heap, after.heap)
	s.close()
	if result.lost+result.duplicated+result.reordered+result.gaps+result.errors > 0 {
		return fmt.Errorf("the guarantees did not hold")
	}
	if after.goroutines > before.goroutines {
		return fmt.Errorf("%d goroutines were left behind", after.goroutines-before.goroutines)
	}
	return nil
}

type measurement struct {
	goroutines int
	heap       float64 // MiB in use after a collection
}

func measure() measurement {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return measurement{goroutines: runtime.NumGoroutine(), heap: float64(stats.HeapAlloc) / (1 << 20)}
}

// settled waits until what the run used has gone: connections end a moment after their clients.
func settled(before measurement) measurement {
	deadline := time.Now().Add(30 * time.Second)
	for {
		now := measure()
		if now.goroutines <= before.goroutines || time.Now().After(deadline) {
			return now
		}
		time.Sleep(100 * time.Millisecond)
	}
}
