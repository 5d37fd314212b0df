package payload

import (
	"bytes"
	"fmt"
	"math"
	"testing"
)

var run = NewRun(0xbeef12)

var stamps = []Stamp{
	{},
	{Channel: 1, Lane: 2, Number: 3, Due: 4},
	{Channel: math.MaxUint32, Lane: math.MaxUint16, Number: 1<<48 - 1, Due: math.MaxInt64},
	{Channel: 0x12345678, Lane: 0x9abc, Number: 0xdef012345678, Due: 0x0123456789abcdef},
}

func TestAppendAndParse(t *testing.T) {
	for _, want := range stamps {
		for _, size := range []int{Size, Size + 1, 128, 1000} {
			text := run.Append([]byte("x"), want, size)[1:]
			if len(text) != size {
				t.Errorf("%+v: %d bytes, want %d", want, len(text), size)
			}
			if got := Parse(text); got != want {
				t.Errorf("got %+v, want %+v from %q", got, want, text)
			}
			if bytes.IndexByte(text[1:], first) >= 0 {
				t.Errorf("%q: the letter that begins a stamp stands in it twice", text)
			}
		}
	}
}

func find(pieces ...[]byte) (found []Stamp) {
	var f Finder
	for _, p := range pieces {
		f.Find(&run, p, func(s Stamp) { found = append(found, s) })
	}
	return found
}

// stream is what a server may make of messages, with texts that look like the beginning of one.
func stream() (text []byte) {
	other := NewRun(1)
	text = append(text, "id: ~\ndata: ~beef ~beef12"...)
	for _, s := range stamps {
		text = append(text, "\n\n{\"data\":\""...)
		text = run.Append(text, s, 60)
		text = append(text, "\"}~~"...)
		text = other.Append(text, s, Size) // another run's
	}
	return append(text, run[:]...)
}

func TestFindCutAnywhere(t *testing.T) {
	text := stream()
	want := fmt.Sprint(stamps)
	for i := range len(text) + 1 {
		if got := fmt.Sprint(find(text[:i], text[i:])); got != want {
			t.Errorf("cut at %d: %s", i, got)
		}
	}
	var bytewise [][]byte
	for i := range text {
		bytewise = append(bytewise, text[i:i+1])
	}
	if got := fmt.Sprint(find(bytewise...)); got != want {
		t.Errorf("byte by byte: %s", got)
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	var text []byte
	for i := range 100 {
		text = run.Append(append(text, "data: "...), Stamp{Number: uint64(i)}, 128)
	}
	var f Finder
	n := 0
	count := func(Stamp) { n++ }
	if allocs := testing.AllocsPerRun(10, func() { f.Find(&run, text, count) }); allocs > 0 || n == 0 {
		t.Errorf("%v allocations for %d stamps", allocs, n)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(stream(), uint16(70), uint16(30))
	f.Fuzz(func(t *testing.T, text []byte, one, two uint16) {
		i := int(one) % (len(text) + 1)
		j := i + int(two)%(len(text)-i+1)
		if whole, cut := fmt.Sprint(find(text)), fmt.Sprint(find(text[:i], text[i:j], text[j:])); whole != cut {
			t.Errorf("whole %s, cut %s", whole, cut)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	var text []byte
	for i := range 100 {
		text = run.Append(append(text, "id: k3f9-1234\ndata: "...), Stamp{Number: uint64(i)}, 128)
	}
	var f Finder
	var sum uint64
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		f.Find(&run, text, func(s Stamp) { sum += s.Number })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}
