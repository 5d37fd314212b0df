package framing

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzReader: whatever comes, a Reader does not panic, holds no more than it may (drive.feed looks at that), and does not let the
// way the bytes were cut show.
func FuzzReader(f *testing.F) {
	for _, c := range slices.Concat(framingCases(), pingCases(), reservedCases(), fragmentCases(), utf8Cases(), closeCases()) {
		if whole := bytes.Join(c.send, nil); len(whole) < 2000 {
			f.Add(whole, uint64(len(whole)), uint16(1000), len(whole)%5 == 0)
		}
	}
	// Keys of zeros let the fuzzer change payloads directly.
	var zero [4]byte
	f.Add(slices.Concat(withKey(zero, opText, "añb"), withKey(zero, fin|opPing, "x"), withKey(zero, fin|opContinuation, "€")), uint64(1), uint16(20), false)
	f.Add(slices.Concat(withKey(zero, fin|opBinary, letters(200)), withKey(zero, fin|opClose, ended(1000, "bye"))), uint64(2), uint16(200), false)
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, limit uint16, receiveOnly bool) {
		rules := Rules{ReadLimit: int(limit), ReceiveOnly: receiveOnly}
		want, fault := outcome(t, rules, input)
		for i := range uint64(3) {
			pieces := shred(rand.New(rand.NewPCG(seed, i)), input)
			if got, again := outcome(t, rules, pieces...); !slices.Equal(got, want) || again != fault {
				t.Fatalf("in one piece: %q, %v\nin %q: %q, %v", want, fault, pieces, got, again)
			}
		}
		if got, again := outcome(t, rules, split(input)...); !slices.Equal(got, want) || again != fault {
			t.Fatalf("in one piece: %q, %v\nbyte by byte: %q, %v", want, fault, got, again)
		}
	})
}

// FuzzFragments: a valid message comes back, however it is fragmented and cut, with pings between.
func FuzzFragments(f *testing.F) {
	f.Add("hello, κόσμε \U0010ffff", uint64(1))
	f.Add(letters(3000), uint64(2))
	f.Add("\xff\xfe", uint64(3))
	f.Fuzz(func(t *testing.T, message string, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		first, event := byte(opText), text
		if got, fault := outcome(t, Rules{}, masked(fin|opText, message)); fault == errText {
			first, event = opBinary, binaryOf
		} else if !slices.Equal(got, []string{text(message)}) {
			t.Fatalf("%q came as %q", message, got)
		}
		var input []byte
		var want []string
		fragments := shred(random, []byte(message))
		for i, part := range append(fragments, nil) {
			if i == len(fragments) {
				first |= fin
			}
			key := [4]byte{byte(random.Uint32()), byte(random.Uint32()), byte(i), byte(seed)}
			input = append(input, withKey(key, first, string(part))...)
			first = opContinuation
			if i < len(fragments) && random.IntN(4) == 0 {
				input = append(input, withKey(key, fin|opPing, "between")...)
				want = append(want, `ping "between"`)
			}
		}
		want = append(want, event(message))
		if got, _ := outcome(t, Rules{ReadLimit: max(1, len(message))}, shred(random, input)...); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
