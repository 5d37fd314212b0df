package framing

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The tables go through the groups of cases that the Autobahn test suite has for servers, as those of package websocket do: 1 framing,
// 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 and 10 limits and sizes. Here the events
// are compared, so that payloads are checked too. Every case runs in the pieces it gives, in one, byte by byte, and cut once anywhere
// (those over 2000 bytes: somewhere).

const readLimit = 64 << 10

type wireCase struct {
	group, name string
	send        [][]byte
	receiveOnly []string
	both        []string
}

const alive = `ping "alive?"`

var sign = masked(fin|opPing, "alive?")

func TestWireAsAutobahnSeesIt(t *testing.T) {
	for _, c := range slices.Concat(framingCases(), pingCases(), reservedCases(), fragmentCases(), utf8Cases(), closeCases(), limitCases()) {
		t.Run(c.group+" "+c.name, func(t *testing.T) {
			whole := bytes.Join(c.send, nil)
			for _, side := range []struct {
				rules Rules
				want  []string
			}{{Rules{ReadLimit: readLimit}, c.both}, {Rules{ReadLimit: readLimit, ReceiveOnly: true}, c.receiveOnly}} {
				check := func(how string, pieces ...[]byte) {
					t.Helper()
					if got, _ := outcome(t, side.rules, pieces...); !slices.Equal(got, side.want) {
						t.Fatalf("%s, receive only %t:\ngot  %q\nwant %q", how, side.rules.ReceiveOnly, got, side.want)
					}
				}
				check("as it is", c.send...)
				check("in one piece", whole)
				check("byte by byte", split(whole)...)
				for at := 0; at < len(whole); at += 1 + len(whole)/2000*400 { // large ones at some places
					check(fmt.Sprint("cut at ", at), whole[:at], whole[at:])
				}
			}
		})
	}
}

// same gives a case that is taken alike whether or not data is allowed.
func same(group, name string, want []string, send ...[]byte) wireCase {
	return wireCase{group, name, send, want, want}
}

// data gives a case of data frames, which end a connection that only receives.
func data(group, name string, want []string, send ...[]byte) wireCase {
	return wireCase{group, name, send, []string{"fault 1008"}, want}
}

func letters(n int) string { return strings.Repeat("abcdefg", n/7+1)[:n] }

func framingCases() (cases []wireCase) {
	for _, n := range []int{0, 1, 18, 125, 126, 127, 128, 1000, 65535, 65536} {
		s := letters(n)
		cases = append(cases,
			data("1", fmt.Sprintf("text of %d bytes", n), []string{text(s), alive}, masked(fin|opText, s), sign),
			data("1", fmt.Sprintf("binary of %d bytes", n), []string{binaryOf(s), alive}, masked(fin|opBinary, s), sign),
		)
	}
	plain := func(first byte, payload string) []byte {
		return append(head(first, 0, uint64(len(payload))), payload...)
	}
	return append(cases,
		// RFC 6455 §5.1: a client's frame has a mask. §5.2: the highest bit of a length is 0, and it stands in as few bytes as it can.
		same("1", "text without a mask", []string{"fault 1002"}, plain(fin|opText, letters(18))),
		same("1", "text without a mask, and more after it", []string{"fault 1002"}, bytes.Repeat(plain(fin|opText, letters(18)), 20)),
		same("1", "ping without a mask", []string{"fault 1002"}, plain(fin|opPing, "x")),
		same("1", "close without a mask", []string{"fault 1002"}, plain(fin|opClose, ended(1000, ""))),
		same("1", "a length of 2^63", []string{"fault 1002"}, append(head64(fin|opText, 1<<63), 1, 2, 3, 4)),
		same("1", "a length of 2^64-1", []string{"fault 1002"}, append(head64(fin|opBinary, 1<<64-1), 1, 2, 3, 4)),
		same("1", "a length of 125 in two bytes", []string{"fault 1002"}, head16(fin|opText, 125), make([]byte, 129)),
		same("1", "a length of 0 in two bytes", []string{"fault 1002"}, head16(fin|opBinary, 0), make([]byte, 4)),
		same("1", "a length of 125 in eight bytes", []string{"fault 1002"}, head64(fin|opText, 125), make([]byte, 129)),
		same("1", "a length of 65535 in eight bytes", []string{"fault 1002"}, head64(fin|opText, 65535), make([]byte, 4)),
		same("1", "a ping's length in two bytes", []string{"fault 1002"}, head16(fin|opPing, 5), make([]byte, 9)),
	)
}

func pingCases() []wireCase {
	long := strings.Repeat("p", 125)
	raw := string([]byte{0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00})
	var many [][]byte
	var all []string
	for i := range 10 {
		many = append(many, masked(fin|opPing, fmt.Sprint("payload ", i)))
		all = append(all, fmt.Sprintf(`ping "payload %d"`, i))
	}
	return []wireCase{
		same("2", "ping without payload", []string{`ping ""`, alive}, masked(fin|opPing, ""), sign),
		same("2", "ping with text", []string{`ping "hello"`, alive}, masked(fin|opPing, "hello"), sign),
		same("2", "ping with bytes that are not UTF-8", []string{fmt.Sprintf("ping %q", raw), alive}, masked(fin|opPing, raw), sign),
		same("2", "ping of 125 bytes", []string{fmt.Sprintf("ping %q", long), alive}, masked(fin|opPing, long), sign),
		same("2", "ping of 126 bytes", []string{"fault 1002"}, masked(fin|opPing, long+"p")),
		same("2", "pong of 126 bytes", []string{"fault 1002"}, masked(fin|opPong, long+"p")),
		same("2", "ping of 2^16 bytes", []string{"fault 1002"}, head64(fin|opPing, 1<<16)),
		same("2", "pong nobody asked for", []string{`pong ""`, alive}, masked(fin|opPong, ""), sign),
		same("2", "pong with payload nobody asked for", []string{`pong "hello"`, alive}, masked(fin|opPong, "hello"), sign),
		same("2", "pong, ping, pong", []string{`pong "a"`, `ping "x"`, `pong "b"`}, masked(fin|opPong, "a"), masked(fin|opPing, "x"), masked(fin|opPong, "b")),
		same("2", "ten pings", all, many...),
	}
}

func reservedCases() (cases []wireCase) {
	for bits := byte(rsv3); bits <= rsv1|rsv2|rsv3; bits += rsv3 {
		for _, opcode := range []byte{opText, opBinary, opPing, opPong, opClose} {
			cases = append(cases, same("3", fmt.Sprintf("bits %02x, opcode %d", bits, opcode), []string{"fault 1002"}, masked(fin|bits|opcode, letters(18)), sign))
		}
	}
	cases = append(cases,
		same("3", "after a good frame", []string{`ping "x"`, "fault 1002"}, masked(fin|opPing, "x"), masked(fin|rsv2|opText, letters(18))),
		same("3", "in the first byte alone", []string{"fault 1002"}, []byte{fin | rsv1 | opText}),
		data("3", "on a continuation", []string{"fault 1002"}, masked(opText, "a"), masked(fin|rsv1|opContinuation, "b")),
	)
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases,
			same("4", fmt.Sprintf("opcode %d", opcode), []string{"fault 1002"}, masked(fin|opcode, "")),
			same("4", fmt.Sprintf("opcode %d with payload, after a good frame", opcode), []string{`ping "x"`, "fault 1002"}, masked(fin|opPing, "x"), masked(fin|opcode, "reserved"), sign),
		)
	}
	return cases
}

func fragmentCases() []wireCase {
	first, rest := "the first half and ", "the second"
	begun, last, middle := masked(opText, first), masked(fin|opContinuation, rest), masked(opContinuation, "")
	want, violation := []string{text(first + rest), alive}, []string{"fault 1002"}
	return []wireCase{
		// Control frames are not fragmented (RFC 6455 §5.5).
		same("5", "ping in two fragments", violation, masked(opPing, "a"), masked(fin|opContinuation, "b")),
		same("5", "pong in two fragments", violation, masked(opPong, "a"), masked(fin|opContinuation, "b")),
		same("5", "close in two fragments", violation, masked(opClose, ended(1000, "")), masked(fin|opContinuation, "b")),
		// A message begins with its opcode and goes on with 0 (§5.4).
		same("5", "a continuation of nothing", violation, masked(fin|opContinuation, "x"), sign),
		same("5", "an unfinished continuation of nothing", violation, masked(opContinuation, "x"), sign),
		data("5", "text in two fragments", want, begun, last, sign),
		data("5", "binary in two fragments", []string{binaryOf(first + rest), alive}, masked(opBinary, first), last, sign),
		data("5", "fragments without payload between", want, begun, middle, middle, last, sign),
		data("5", "a first fragment without payload", []string{text(rest), alive}, masked(opText, ""), last, sign),
		data("5", "a last fragment without payload", []string{text(first), alive}, begun, masked(fin|opContinuation, ""), sign),
		data("5", "nothing but fragments without payload", []string{text(""), alive}, masked(opText, ""), middle, masked(fin|opContinuation, ""), sign),
		data("5", "a message of fragments at the very end", []string{text(first)}, begun, masked(fin|opContinuation, "")),
		data("5", "each fragment with its own mask", want, begun, withKey([4]byte{9, 8, 7, 6}, fin|opContinuation, rest), sign),
		data("5", "ping between fragments", []string{`ping "x"`, text(first + rest), alive}, begun, masked(fin|opPing, "x"), last, sign),
		data("5", "pings and pongs between many fragments", []string{`ping "x"`, `pong ""`, `ping "y"`, text(first + rest), alive},
			begun, masked(fin|opPing, "x"), middle, masked(fin|opPong, ""), masked(fin|opPing, "y"), last, sign),
		data("5", "a new text before the end", violation, begun, masked(fin|opText, rest)),
		data("5", "a new binary before the end", violation, begun, masked(fin|opBinary, rest)),
		data("5", "a continuation after the end", []string{text(first + rest), "fault 1002"}, begun, last, masked(fin|opContinuation, rest)),
		data("5", "two messages in fragments", []string{text(first + rest), text(first + rest)}, begun, last, begun, last),
		data("5", "never finished", []string{alive}, begun, sign),
	}
}

func utf8Cases() (cases []wireCase) {
	invalid := []string{"fault 1007"}
	// Group 6, what is UTF-8 (RFC 3629 §4): the first and the last code point of each length, and non-characters.
	for _, s := range []string{
		"κόσμε", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff", "hello-µ@ßöäüàá-UTF-8",
	} {
		whole := "before " + s + " after"
		cases = append(cases, data("6", fmt.Sprintf("%+q", s), []string{text(whole), alive}, masked(fin|opText, whole), sign))
		for cut := range len(whole) + 1 {
			cases = append(cases, data("6", fmt.Sprintf("%+q in fragments at %d", s, cut), []string{text(whole), alive}, masked(opText, whole[:cut]), masked(fin|opContinuation, whole[cut:]), sign))
		}
	}
	for name, s := range map[string]string{
		"a continuation byte alone":             "\x80",
		"many continuation bytes":               "\x80\xbf\x80\xbf",
		"a first byte alone, of two":            "\xc3 ",
		"a first byte alone, of three":          "\xe2\x82 ",
		"a first byte alone, of four":           "\xf0\x9f\x92 ",
		"bytes that never stand":                "\xfe\xff",
		"an overlong slash of two":              "\xc0\xaf",
		"an overlong slash of three":            "\xe0\x80\xaf",
		"an overlong slash of four":             "\xf0\x80\x80\xaf",
		"an overlong slash of five":             "\xf8\x80\x80\x80\xaf",
		"an overlong NUL":                       "\xc0\x80",
		"the last overlong of three":            "\xe0\x9f\xbf",
		"a high surrogate":                      "\xed\xa0\x80",
		"a low surrogate":                       "\xed\xbf\xbf",
		"surrogates as a pair":                  "\xed\xa0\xbd\xed\xb2\xa9",
		"beyond U+10FFFF":                       "\xf4\x90\x80\x80",
		"a code point of five bytes":            "\xfb\xbf\xbf\xbf\xbf",
		"good text, then an error, then more":   "\u03ba\u1f79\xed\xa0\x80edited",
		"a code point whose rest never follows": "κόσμ\xce",
	} {
		cases = append(cases,
			data("6", name, invalid, masked(fin|opText, s), sign),
			data("6", name+", in a binary frame", []string{binaryOf(s), alive}, masked(fin|opBinary, s), sign),
		)
		for cut := range len(s) + 1 {
			cases = append(cases, data("6", fmt.Sprintf("%s, in fragments at %d", name, cut), invalid, masked(opText, s[:cut]), masked(fin|opContinuation, s[cut:]), sign))
		}
	}
	return append(cases,
		data("6", "invalid bytes, and the message never finished", invalid, masked(opText, "\xff\xff")),
		data("6", "invalid bytes, and the frame never finished", invalid, masked(fin|opText, "fine\xff"+letters(60))[:11]),
		data("6", "bytes that cannot be completed, and the frame never finished", invalid, masked(fin|opText, "\xf4\x90"+letters(60))[:8]),
		data("6", "a character that is not complete yet", nil, masked(fin|opText, "\xf4\x8f"+letters(60))[:8]),
	)
}

func closeCases() (cases []wireCase) {
	late := masked(fin|opPing, "after the close")
	reason := strings.Repeat("r", 123)
	cases = []wireCase{
		same("7", "1000", []string{`closed 1000 ""`}, masked(fin|opClose, ended(1000, ""))),
		same("7", "1000, then another close", []string{`closed 1000 ""`}, masked(fin|opClose, ended(1000, "")), masked(fin|opClose, ended(1001, ""))),
		same("7", "1000, then a ping", []string{`closed 1000 ""`}, masked(fin|opClose, ended(1000, "")), late),
		same("7", "1000, then text", []string{`closed 1000 ""`}, masked(fin|opClose, ended(1000, "")), masked(fin|opText, letters(18))),
		same("7", "1000, then anything", []string{`closed 1000 ""`}, masked(fin|opClose, ended(1000, "")), []byte{0xff, 0, 0xff}),
		same("7", "without payload", []string{"closed"}, masked(fin|opClose, "")),
		same("7", "of one byte", []string{"fault 1002"}, masked(fin|opClose, "\x03")),
		same("7", "with a reason", []string{`closed 1000 "hello"`}, masked(fin|opClose, ended(1000, "hello"))),
		same("7", "with a reason of 123 bytes", []string{fmt.Sprintf("closed 1000 %q", reason)}, masked(fin|opClose, ended(1000, reason))),
		same("7", "with a reason of 124 bytes", []string{"fault 1002"}, masked(fin|opClose, ended(1000, reason+"r"))),
		same("7", "after a ping", []string{`ping "x"`, `closed 1000 "bye"`}, masked(fin|opPing, "x"), masked(fin|opClose, ended(1000, "bye"))),
		// A reason is UTF-8 (RFC 6455 §5.5.1).
		same("7", "with a reason that is not UTF-8", []string{"fault 1007"}, masked(fin|opClose, ended(1000, "\xce\xba\xed\xa0\x80"))),
		data("7", "in the midst of a message", []string{`closed 1000 ""`}, masked(opText, "a"), masked(fin|opClose, ended(1000, "")), masked(fin|opContinuation, "b")),
		data("7", "after a large message", []string{text(letters(readLimit)), `closed 1000 ""`}, masked(fin|opText, letters(readLimit)), masked(fin|opClose, ended(1000, ""))),
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, same("7", fmt.Sprint("valid code ", code), []string{fmt.Sprintf(`closed %d ""`, code)}, masked(fin|opClose, ended(code, ""))))
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, same("7", fmt.Sprint("invalid code ", code), []string{"fault 1002"}, masked(fin|opClose, ended(code, "")), late))
	}
	return cases
}

func limitCases() []wireCase {
	tooBig := []string{"fault 1009"}
	pieces := func(total, n int) [][]byte { // a message in fragments of n bytes
		var b []byte
		whole := letters(total)
		for i := 0; i < total; i += n {
			first := byte(opContinuation)
			if i == 0 {
				first = opText
			}
			if i+n >= total {
				first |= fin
			}
			b = append(b, masked(first, whole[i:min(total, i+n)])...)
		}
		return [][]byte{b, sign}
	}
	most := []string{text(letters(readLimit)), alive}
	return []wireCase{
		data("9", "as large as the limit", most, masked(fin|opText, letters(readLimit)), sign),
		data("9", "binary, as large as the limit", []string{binaryOf(letters(readLimit)), alive}, masked(fin|opBinary, letters(readLimit)), sign),
		data("9", "a byte over the limit", tooBig, masked(fin|opText, letters(readLimit+1))),
		data("9", "a byte over the limit, of which only the header comes", tooBig, head64(fin|opText, readLimit+1), make([]byte, 4)),
		data("9", "a length of 2^62 announced", tooBig, head64(fin|opText, 1<<62), make([]byte, 4)),
		data("9", "a length of 2^63-1 announced in a fragment", tooBig, masked(opBinary, "x"), head64(opContinuation, 1<<63-1), make([]byte, 4)),
		data("9", "in fragments of 64 bytes", most, pieces(readLimit, 64)...),
		data("9", "in fragments of 16 KiB", most, pieces(readLimit, 16<<10)...),
		data("9", "fragments that are over the limit together", tooBig, pieces(readLimit+1, 4096)...),
		data("9", "a fragment without payload at the limit", most, pieces(readLimit, readLimit)[0], sign),
		data("9", "in pieces of 997 bytes", most, slices.Collect(slices.Chunk(append(masked(fin|opText, letters(readLimit)), sign...), 997))...),
		data("10", "a message in fragments of 1300 bytes", most, pieces(readLimit, 1300)...),
	}
}
