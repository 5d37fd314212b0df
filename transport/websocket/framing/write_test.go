package framing

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFramesAreWrittenAsTheRFCHasThem(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"a text (RFC 6455 §5.7)", AppendText(nil, []byte("Hello")), "\x81\x05Hello"},
		{"a text without payload", AppendText(nil, nil), "\x81\x00"},
		{"a text of 125 bytes has a length of one byte", AppendText(nil, []byte(long[:125])), "\x81\x7d" + long[:125]},
		{"a text of 126 bytes has a length of two", AppendText(nil, []byte(long[:126])), "\x81\x7e\x00\x7e" + long[:126]},
		{"a binary (§5.7)", AppendBinary(nil, make([]byte, 256)), "\x82\x7e\x01\x00" + string(make([]byte, 256))},
		{"a binary of 65535 bytes has a length of two", AppendBinary(nil, make([]byte, 65535))[:5], "\x82\x7e\xff\xff\x00"},
		{"a binary of 64 KiB has a length of eight (§5.7)", AppendBinary(nil, make([]byte, 65536))[:11], "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00\x00"},
		{"a ping (§5.7)", AppendPing(nil, []byte("Hello")), "\x89\x05Hello"},
		{"a ping is cut at 125 bytes", AppendPing(nil, []byte(long)), "\x89\x7d" + long[:125]},
		{"a pong", AppendPong(nil, []byte("Hello")), "\x8a\x05Hello"},
		{"a pong is cut at 125 bytes", AppendPong(nil, []byte(long)), "\x8a\x7d" + long[:125]},
		{"a close without code", AppendClose(nil, 0, "unsaid"), "\x88\x00"},
		{"a close with a code", AppendClose(nil, 1000, ""), "\x88\x02\x03\xe8"},
		{"a close with a reason", AppendClose(nil, 1001, "bye"), "\x88\x05\x03\xe9bye"},
		{"1005 is not sent (§7.4.1)", AppendClose(nil, 1005, "bye"), "\x88\x00"},
		{"1006 is not sent (§7.4.1)", AppendClose(nil, 1006, "bye"), "\x88\x00"},
		{"a reason of 123 bytes is whole", AppendClose(nil, 1000, long[:123]), "\x88\x7d\x03\xe8" + long[:123]},
		{"a longer reason is cut", AppendClose(nil, 1000, long), "\x88\x7d\x03\xe8" + long[:123]},
		{"… between two characters", AppendClose(nil, 1000, long[:121]+"€"), "\x88\x7b\x03\xe8" + long[:121]},
		{"… after one that ends there", AppendClose(nil, 1000, long[:120]+"€€"), "\x88\x7d\x03\xe8" + long[:120] + "€"},
		{"a reason is made UTF-8", AppendClose(nil, 1000, "a\xffb"), "\x88\x07\x03\xe8a\uFFFDb"},
		{"what was there stays", AppendText([]byte("before"), []byte("Hello")), "before\x81\x05Hello"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, c.got, c.want)
		}
	}
}

func TestBeginAndEndMakeTheFrameThatAppendMakes(t *testing.T) {
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 1000, 65534, 65535, 65536, 65537, 200_000} {
		payload := []byte(letters(n))
		for _, room := range []int{0, 8, n + 8, n + 64} {
			dst, mark := Begin(append(make([]byte, 0, room), "before"...))
			dst = End(append(dst, payload...), mark, Text)
			dst, mark = Begin(dst)
			dst = End(append(dst, payload...), mark, Binary)
			if want := AppendBinary(AppendText([]byte("before"), payload), payload); !bytes.Equal(dst, want) {
				t.Errorf("%d bytes, room for %d: got %.20q… of %d bytes, want %.20q… of %d", n, room, dst, len(dst), want, len(want))
			}
		}
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1<<20)
	payload := make([]byte, 70_000)
	for name, write := range map[string]func(){
		"text":  func() { _ = AppendText(dst, payload) },
		"ping":  func() { _ = AppendPing(dst, payload) },
		"close": func() { _ = AppendClose(dst, 1001, "the server is going away") },
		"begin and end": func() {
			for _, n := range []int{10, 1000, 70_000} {
				b, mark := Begin(dst)
				_ = End(append(b, payload[:n]...), mark, Text)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, write); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzClose(f *testing.F) {
	f.Add(uint16(1000), "bye")
	f.Add(uint16(1005), "")
	f.Add(uint16(4999), strings.Repeat("€\xf0", 60))
	f.Fuzz(func(t *testing.T, code uint16, reason string) {
		frame := AppendClose(nil, code, reason)
		// Masked with a key of zeros it is a client's, so the Reader says whether it is valid.
		event, rest, err := new(Reader).Next(append([]byte{frame[0], frame[1] | mask, 0, 0, 0, 0}, frame[2:]...), Rules{})
		if err != nil || event.Op != Close || len(rest) > 0 {
			t.Fatalf("%d %q was written as %x: %v, %v", code, reason, frame, event, err)
		}
		if event.Code != 0 && event.Code != code {
			t.Errorf("code %d was written as %d", code, event.Code)
		}
		if event.Code != 0 && utf8.ValidString(reason) && !strings.HasPrefix(reason, string(event.Payload)) {
			t.Errorf("reason %q was written as %q", reason, event.Payload)
		}
	})
}

func TestEveryCodeThatIsReadMayBeWritten(t *testing.T) {
	for code := range math.MaxUint16 + 1 {
		frame := AppendClose(nil, uint16(code), "")
		got, _ := outcome(t, Rules{}, masked(fin|opClose, ended(uint16(code), "")))
		if read, written := got[0] == fmt.Sprintf(`closed %d ""`, code), len(frame) == 4; read != written {
			t.Errorf("code %d: read as %s, written as %x", code, got[0], frame)
		}
	}
}
