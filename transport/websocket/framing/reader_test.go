package framing

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unsafe"
)

func TestAReaderIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Reader{}); size > 24 {
		t.Errorf("a Reader has %d bytes; there are tens of thousands of them", size)
	}
}

// next gives the first event of p, which must be one.
func next(t *testing.T, r *Reader, p []byte) (Event, []byte) {
	t.Helper()
	event, rest, err := r.Next(p, Rules{})
	if err != nil || event.Op == 0 {
		t.Fatalf("got %v, %v", event, err)
	}
	return event, rest
}

func TestAWholeFrameIsASliceOfWhatCame(t *testing.T) {
	for _, first := range []byte{fin | opText, fin | opBinary, fin | opPing, fin | opPong} {
		var r Reader
		p := append(masked(first, "hello"), masked(fin|opPing, "x")...)
		event, rest := next(t, &r, p)
		if &event.Payload[0] != &p[6] || cap(event.Payload) != 5 {
			t.Errorf("%v lies elsewhere, or with a capacity of %d", event, cap(event.Payload))
		}
		if len(rest) != 7 || &rest[0] != &p[11] {
			t.Errorf("after %v, %d bytes are left", event, len(rest))
		}
		if r.Held() != 0 || r.cut != nil {
			t.Errorf("after %v, something is held", event)
		}
	}
}

func TestNothingIsHeldBetweenMessages(t *testing.T) {
	for name, frames := range map[string][]byte{
		"text":       masked(fin|opText, letters(3000)),
		"ping":       masked(fin|opPing, letters(100)),
		"fragments":  slices.Concat(masked(opText, letters(300)), masked(fin|opPing, "x"), masked(fin|opContinuation, letters(300))),
		"no payload": masked(fin|opText, ""),
		"close":      masked(fin|opClose, ended(1000, "bye")),
		"a fault":    masked(fin|opText, letters(100)+"\xff"),
	} {
		for at := 1; at < len(frames); at++ {
			d := &drive{t: t}
			d.feed(frames[:at])
			d.feed(frames[at:])
			if d.reader.cut != nil {
				t.Fatalf("%s, cut at %d: holds %+v", name, at, d.reader.cut)
			}
		}
	}
}

func TestAnAnnouncedLengthTakesNothing(t *testing.T) {
	d := &drive{t: t, rules: Rules{ReadLimit: 1 << 30}}
	d.feed(append(head64(fin|opBinary, 1<<29), 1, 2, 3, 4))
	if held := d.reader.Held(); held > 128 {
		t.Errorf("an announcement took %d bytes", held)
	}
	d.feed(make([]byte, 100))
	if held := d.reader.Held(); held > 128+2*100+leastGrowth {
		t.Errorf("100 bytes took %d", held)
	}
}

func TestWhatIsTakenForAFrameEndsAtItsLength(t *testing.T) {
	d := &drive{t: t}
	frame := masked(fin|opBinary, letters(1000))
	for _, b := range split(frame[:len(frame)-1]) {
		d.feed(b)
	}
	if held := d.reader.Held(); held != cutBytes+1000 {
		t.Errorf("%d bytes are held for a frame of 1000 beside the %d of any", held, cutBytes)
	}
}

func TestACutMessageIsTheCallersAlone(t *testing.T) {
	var r Reader
	frame := masked(fin|opText, letters(500))
	events := make([]Event, 2)
	for i := range events {
		if _, _, err := r.Next(bytes.Clone(frame[:200]), Rules{}); err != nil {
			t.Fatal(err)
		}
		events[i], _ = next(t, &r, bytes.Clone(frame[200:]))
	}
	for i := range events[1].Payload {
		events[1].Payload[i] = 0
	}
	if string(events[0].Payload) != letters(500) {
		t.Error("a message changed with the one after it")
	}
}

func TestAnErrorComesAgain(t *testing.T) {
	var r Reader
	_, _, first := r.Next([]byte{0xff}, Rules{})
	_, rest, second := r.Next(masked(fin|opPing, "x"), Rules{})
	if first == nil || !errors.Is(second, first) || rest != nil {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestAHeaderThatIsNotAllowedFailsBeforeItsPayload(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules Rules
		head  []byte
		want  *Error
	}{
		{"data on a stream that only sends", Rules{ReceiveOnly: true}, masked(fin|opText, letters(100))[:6], errReceiveOnly},
		{"a fragment on a stream that only sends", Rules{ReceiveOnly: true}, masked(opBinary, letters(100))[:6], errReceiveOnly},
		{"a message over the limit", Rules{ReadLimit: 99}, masked(fin|opText, letters(100))[:6], errTooBig},
		{"a message over the limit that is not set", Rules{}, append(head64(fin|opText, DefaultReadLimit+1), 1, 2, 3, 4), errTooBig},
		{"no mask, before the length", Rules{}, []byte{fin | opText, 127}, errMask},
		{"a reserved bit, before the second byte", Rules{}, []byte{fin | rsv3 | opText}, errReserved},
		{"an opcode without meaning, before the second byte", Rules{}, []byte{fin | 3}, errOpcode},
		{"a long ping, before its length", Rules{}, []byte{fin | opPing, mask | 126}, errControlLength},
		{"a ping that goes on, before the second byte", Rules{}, []byte{opPing}, errControlCut},
	} {
		for how, pieces := range map[string][][]byte{"in one piece": {c.head}, "byte by byte": split(c.head)} {
			if got, fault := outcome(t, c.rules, pieces...); fault != c.want {
				t.Errorf("%s, %s: got %v, %v, want %v", c.name, how, got, fault, c.want)
			}
		}
	}
}

func TestTheDefaultLimitIsAllowed(t *testing.T) {
	want := letters(DefaultReadLimit)
	got, _ := outcome(t, Rules{}, slices.Collect(slices.Chunk(masked(fin|opText, want), 32<<10))...)
	if !slices.Equal(got, []string{text(want)}) {
		t.Errorf("got %q", got)
	}
}

func TestReasonsFitIntoACloseFrame(t *testing.T) {
	for _, fault := range []*Error{
		errReserved, errOpcode, errMask, errLength, errLengthBit, errControlLength, errControlCut, errNoMessage, errInMessage, errCloseLength,
		errCloseCode, errCloseReason, errText, errTooBig, errReceiveOnly,
	} {
		if frame := AppendClose(nil, fault.Code, fault.Reason); string(frame[4:]) != fault.Error() {
			t.Errorf("%v is sent as %q", fault, frame)
		}
	}
}
