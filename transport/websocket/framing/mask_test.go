package framing

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestUnmaskIsXORAtEveryLengthOffsetAndTurnOfTheKey(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	src := make([]byte, 200)
	for i := range src {
		src[i] = byte(random.Uint32())
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	const packed = 0x3d21fa37
	for offset := range 9 {
		for n := range len(src) - offset {
			part := src[offset : offset+n]
			want := make([]byte, n)
			for i, b := range part {
				want[i] = b ^ key[i%4]
			}
			got, canary := make([]byte, n+1), byte(0x55)
			got[n] = canary
			next := unmask(got[:n], part, packed)
			if !bytes.Equal(got[:n], want) || got[n] != canary {
				t.Fatalf("offset %d, %d bytes:\ngot  %x\nwant %x", offset, n, got, want)
			}
			for i := range 4 {
				if byte(next>>(8*i)) != key[(n+i)%4] {
					t.Fatalf("the key after %d bytes is %08x", n, next)
				}
			}
			inPlace := bytes.Clone(part)
			if unmask(inPlace, inPlace, packed); !bytes.Equal(inPlace, want) {
				t.Fatalf("in place, offset %d, %d bytes: got %x", offset, n, inPlace)
			}
		}
	}
}

// BenchmarkUnmask compares sizes, and for the largest, where in a word the payload begins: after a header of 6, 8 or 14 bytes.
func BenchmarkUnmask(b *testing.B) {
	for _, bench := range []struct{ size, offset int }{{8, 6}, {32, 6}, {125, 6}, {1024, 8}, {64 << 10, 14}, {64 << 10, 0}} {
		b.Run(fmt.Sprintf("%d@%d", bench.size, bench.offset), func(b *testing.B) {
			p := make([]byte, bench.offset+bench.size)[bench.offset:]
			b.SetBytes(int64(bench.size))
			for b.Loop() {
				unmask(p, p, 0x3d21fa37)
			}
		})
	}
}
