package framing

import (
	"fmt"
	"slices"
	"testing"
)

func TestWholeFramesAllocateNothing(t *testing.T) {
	var r Reader
	input := slices.Concat(masked(fin|opText, "hello, κόσμε"), masked(fin|opBinary, letters(70_000)), masked(fin|opPing, "x"), masked(fin|opPong, ""))
	p := make([]byte, len(input))
	if n := testing.AllocsPerRun(100, func() {
		copy(p, input)
		if drain(&r, p) != 4 {
			t.Fatal("not all frames were read")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// drain reads p to its end and returns how many events there were.
func drain(r *Reader, p []byte) (events int) {
	for {
		event, rest, err := r.Next(p, Rules{})
		if err != nil || event.Op == 0 {
			return events
		}
		events, p = events+1, rest
	}
}

// BenchmarkNext reads frames that come in pieces of the given size; 0: each as a whole. Masks are of zeros, or reading would change the
// input; that costs the same.
func BenchmarkNext(b *testing.B) {
	var zero [4]byte
	for _, bench := range []struct {
		name  string
		frame []byte
		piece int
	}{
		{"ping", withKey(zero, fin|opPing, "12345678"), 0},
		{"text 32", withKey(zero, fin|opText, letters(32)), 0},
		{"text 128", withKey(zero, fin|opText, letters(128)), 0},
		{"text 64 KiB", withKey(zero, fin|opText, letters(64<<10)), 0},
		{"binary 64 KiB", withKey(zero, fin|opBinary, letters(64<<10)), 0},
		{"ping cut", withKey(zero, fin|opPing, "12345678"), 8},
		{"text 32 cut", withKey(zero, fin|opText, letters(32)), 20},
		{"text 64 KiB by 16 KiB", withKey(zero, fin|opText, letters(64<<10)), 16 << 10},
	} {
		b.Run(bench.name, func(b *testing.B) {
			pieces := [][]byte{bench.frame}
			if bench.piece > 0 {
				pieces = slices.Collect(slices.Chunk(bench.frame, bench.piece))
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.frame)))
			var r Reader
			for b.Loop() {
				events := 0
				for _, p := range pieces {
					events += drain(&r, p)
				}
				if events != 1 {
					b.Fatal("the frame was not read")
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{32, 128, 1000, 64 << 10} {
		payload := []byte(letters(n))
		dst := make([]byte, 0, n+16)
		b.Run(fmt.Sprint("AppendText ", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				_ = AppendText(dst, payload)
			}
		})
		b.Run(fmt.Sprint("Begin and End ", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				begun, mark := Begin(dst)
				_ = End(append(begun, payload...), mark, Text)
			}
		})
	}
}
