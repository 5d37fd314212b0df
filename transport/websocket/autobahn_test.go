package websocket_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/websocket"
)

// The tables below go through the groups of cases that the Autobahn test suite has for servers, in our own words: 1
// framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 and 10 limits and
// sizes. Groups 12 and 13 are about permessage-deflate, which we do not negotiate (rawPeer offers it and checks that it is not
// taken). The suite itself talks to an echo server, which neither a stream nor a session is; so "echoed" is here
// "answered" for a session, and for a stream any data frame is one that must end it.
//
// A case gives what is sent and what must come, to the end of the connection, or, where the last thing sent is alive, up
// to the answer to that.

// readLimit is small, so that limits can be reached quickly.
const readLimit = 64 << 10

type wireCase struct {
	group, name string
	send        [][]byte // one write each
	stream      []string
	session     []string
	pooled      []string // of both on evented links, where it is another outcome
}

var (
	alive   = masked(fin|opPing, "alive?")
	isAlive = `pong "alive?"`
)

const pong1 = `text {"id":1,"pong":{}}`

func TestWireAsAutobahnSeesIt(t *testing.T) { onBoth(t, testWireAsAutobahnSeesIt) }

func testWireAsAutobahnSeesIt(t *testing.T, links kind) {
	s := newSite(t, links, todoke.Options{}, websocket.Options{ReadLimit: readLimit})
	for _, c := range slices.Concat(framingCases(), pingCases(), reservedCases(), fragmentCases(), utf8Cases(), closeCases(), limitCases()) {
		t.Run(c.group+" "+c.name, func(t *testing.T) {
			s := &site{t: t, hub: s.hub, server: s.server}
			for _, link := range []struct {
				path, opening string
				want          []string
			}{
				{"/stream?channel=none", `text {"position":"`, c.stream},
				{"/session", "", c.session},
			} {
				if links == pooled && c.pooled != nil && !slices.Equal(link.want, []string{"close 1008"}) {
					link.want = c.pooled
				}
				p := s.raw(link.path)
				if link.opening != "" {
					if f, err := p.readFrame(); err != nil || !strings.HasPrefix(f.String(), link.opening) {
						t.Fatalf("%s opened with %v, %v", link.path, f, err)
					}
				}
				for _, bytes := range c.send {
					p.write(bytes)
				}
				if got := p.outcome(link.want); !slices.Equal(got, link.want) {
					t.Errorf("%s:\ngot  %q\nwant %q", link.path, got, link.want)
				}
				_ = p.conn.Close()
			}
		})
	}
	s.awaitHandlers()
}

// outcome reads what want has, and if that does not end with a sign of life, everything up to the end.
func (p *rawPeer) outcome(want []string) []string {
	p.t.Helper()
	if len(want) == 0 || want[len(want)-1] != isAlive {
		return p.readToEnd()
	}
	var got []string
	for range want {
		f, err := p.readFrame()
		if err != nil {
			return append(got, err.Error())
		}
		got = append(got, f.String())
	}
	return got
}

// both gives a case that a stream and a session must take in the same way.
func both(group, name string, want []string, send ...[]byte) wireCase {
	return wireCase{group: group, name: name, send: send, stream: want, session: want}
}

// data gives a case of data frames: a stream ends with 1008.
func data(group, name string, session []string, send ...[]byte) wireCase {
	return wireCase{group: group, name: name, send: send, stream: []string{"close 1008"}, session: session}
}

// otherwise gives a case another outcome on evented links.
func otherwise(want []string, c wireCase) wireCase {
	c.pooled = want
	return c
}

// split cuts b so that each write has one byte.
func split(b ...[]byte) [][]byte {
	return slices.Collect(slices.Chunk(bytes.Join(b, nil), 1))
}

// padded is a ping request of n bytes.
func padded(n int) string {
	const request = `{"id":1,"ping":{}}`
	return request + strings.Repeat(" ", n-len(request))
}

func framingCases() (cases []wireCase) {
	// Group 1: texts and binaries around each form of the length (RFC 6455 §5.2), whole and in pieces.
	for _, kind := range []byte{opText, opBinary} {
		for _, n := range []int{18, 125, 126, 127, 128, 1000, 65535, 65536} {
			cases = append(cases, data("1", fmt.Sprintf("opcode %d of %d bytes", kind, n), []string{pong1, isAlive}, masked(fin|kind, padded(n)), alive))
		}
		cases = append(cases,
			data("1", fmt.Sprintf("opcode %d of 126 bytes, byte by byte", kind), []string{pong1, isAlive}, split(masked(fin|kind, padded(126)), alive)...),
			data("1", fmt.Sprintf("opcode %d without payload", kind), []string{
				`text {"error":{"code":"invalid_frame","detail":"a frame is one JSON object, like {\"id\":1,\"ping\":{}}"}}`, isAlive,
			}, masked(fin|kind, ""), alive),
		)
	}
	return append(cases,
		// RFC 6455 §5.1: a client's frame has a mask. §5.2: the highest bit of a length is 0.
		both("1", "text without a mask", []string{"close 1002"}, unmasked(fin|opText, padded(18))),
		both("1", "text without a mask, and more after it", []string{"close 1002"}, unmasked(fin|opText, padded(18)), bytes.Repeat(unmasked(fin|opText, padded(18)), 100)),
		both("1", "ping without a mask", []string{"close 1002"}, unmasked(fin|opPing, "x")),
		both("1", "close without a mask", []string{"close 1002"}, unmasked(fin|opClose, closing(1000, ""))),
		both("1", "a length of 2^63", []string{"close 1002"}, append(header(fin|opText, 0x80, 1<<63), 1, 2, 3, 4)),
	)
}

func pingCases() []wireCase {
	long := strings.Repeat("p", 125)
	binary := string([]byte{0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00})
	many := make([][]byte, 0, 11)
	var pongs []string
	for i := range 10 {
		many = append(many, masked(fin|opPing, fmt.Sprint("payload ", i)))
		pongs = append(pongs, fmt.Sprintf(`pong "payload %d"`, i))
	}
	many, pongs = append(many, alive), append(pongs, isAlive)
	return []wireCase{
		both("2", "ping without payload", []string{`pong ""`, isAlive}, masked(fin|opPing, ""), alive),
		both("2", "ping with text", []string{`pong "hello"`, isAlive}, masked(fin|opPing, "hello"), alive),
		both("2", "ping with bytes that are not UTF-8", []string{fmt.Sprintf("pong %q", binary), isAlive}, masked(fin|opPing, binary), alive),
		both("2", "ping of 125 bytes", []string{fmt.Sprintf("pong %q", long), isAlive}, masked(fin|opPing, long), alive),
		both("2", "ping of 126 bytes", []string{"close 1002"}, masked(fin|opPing, long+"p")),
		both("2", "ping of 125 bytes, byte by byte", []string{fmt.Sprintf("pong %q", long), isAlive}, split(masked(fin|opPing, long), alive)...),
		both("2", "pong nobody asked for", []string{isAlive}, masked(fin|opPong, ""), alive),
		both("2", "pong with payload nobody asked for", []string{isAlive}, masked(fin|opPong, "hello"), alive),
		both("2", "pong, ping, pong", []string{`pong "x"`, isAlive}, masked(fin|opPong, "a"), masked(fin|opPing, "x"), masked(fin|opPong, "b"), alive),
		both("2", "ten pings", pongs, many...),
		both("2", "ten pings in one write", pongs, bytes.Join(many, nil)),
		both("2", "ten pings, byte by byte", pongs, split(many...)...),
	}
}

func reservedCases() (cases []wireCase) {
	// Group 3: no extension was negotiated, so every reserved bit is a fault (RFC 6455 §5.2), on data and control frames.
	for bits := byte(rsv3); bits <= rsv1|rsv2|rsv3; bits += rsv3 {
		for _, opcode := range []byte{opText, opBinary, opPing, opPong, opClose} {
			cases = append(cases, both("3", fmt.Sprintf("bits %02x, opcode %d", bits, opcode), []string{"close 1002"}, masked(fin|bits|opcode, padded(18)), alive))
		}
	}
	cases = append(cases,
		both("3", "after a good frame", []string{`pong "x"`, "close 1002"}, masked(fin|opPing, "x"), masked(fin|rsv2|opText, padded(18))),
		both("3", "byte by byte", []string{"close 1002"}, split(masked(fin|rsv2|opText, padded(18)))...),
	)
	// Group 4: opcodes that mean nothing, with and without payload.
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases,
			both("4", fmt.Sprintf("opcode %d", opcode), []string{"close 1002"}, masked(fin|opcode, "")),
			both("4", fmt.Sprintf("opcode %d with payload, after a good frame", opcode), []string{`pong "x"`, "close 1002"}, masked(fin|opPing, "x"), masked(fin|opcode, "reserved"), alive),
		)
	}
	return cases
}

func fragmentCases() []wireCase {
	first, rest := padded(18)[:7], padded(18)[7:]
	text, last, middle := masked(opText, first), masked(fin|opContinuation, rest), masked(opContinuation, "")
	answered := []string{pong1, isAlive}
	violation := []string{"close 1002"}
	return []wireCase{
		// Control frames are not fragmented (RFC 6455 §5.5).
		both("5", "ping in two fragments", violation, masked(opPing, "a"), masked(fin|opContinuation, "b")),
		both("5", "pong in two fragments", violation, masked(opPong, "a"), masked(fin|opContinuation, "b")),
		both("5", "close in two fragments", violation, masked(opClose, closing(1000, "")), masked(fin|opContinuation, "b")),
		// A message begins with its opcode and goes on with 0 (§5.4).
		both("5", "a continuation of nothing", violation, masked(fin|opContinuation, "x"), alive),
		both("5", "an unfinished continuation of nothing", violation, masked(opContinuation, "x"), alive),
		data("5", "text in two fragments", answered, text, last, alive),
		data("5", "text in two fragments, one write", answered, slices.Concat(text, last, alive)),
		data("5", "text in two fragments, byte by byte", answered, split(text, last, alive)...),
		data("5", "binary in two fragments", answered, masked(opBinary, first), last, alive),
		data("5", "fragments without payload between", answered, text, middle, middle, last, alive),
		data("5", "a first fragment without payload", answered, masked(opText, ""), masked(fin|opContinuation, padded(18)), alive),
		data("5", "ping between fragments", []string{`pong "x"`, pong1, isAlive}, text, masked(fin|opPing, "x"), last, alive),
		data("5", "pings between many fragments, byte by byte", []string{`pong "x"`, `pong "y"`, pong1, isAlive},
			split(text, masked(fin|opPing, "x"), middle, masked(fin|opPing, "y"), last, alive)...),
		data("5", "a new text before the end", violation, text, masked(fin|opText, rest)),
		data("5", "a new binary before the end", violation, text, masked(fin|opBinary, rest)),
		data("5", "a continuation after the end", []string{pong1, "close 1002"}, text, last, masked(fin|opContinuation, rest)),
		data("5", "never finished", []string{isAlive}, text, alive),
	}
}

func utf8Cases() (cases []wireCase) {
	invalid := []string{"close 1007"}
	request := func(s string) string { return `{"id":1,"ping":{},"` + s + `":1}` }
	unknown := func(s string) []string {
		return []string{`text {"id":1,"error":{"code":"invalid_frame","detail":"this field is not known here","field":"` + s + `"}}`, isAlive}
	}
	// Group 6, what is UTF-8 (RFC 3629 §4): the first and the last code point of each length, and non-characters.
	for _, s := range []string{
		"κόσμε", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff", "hello-µ@ßöäüàá-UTF-8",
	} {
		whole := request(s)
		cases = append(cases, data("6", fmt.Sprintf("%+q", s), unknown(s), masked(fin|opText, whole), alive))
		cut := strings.Index(whole, s) + 1 // within the first code point
		cases = append(cases, data("6", fmt.Sprintf("%+q in fragments", s), unknown(s), masked(opText, whole[:cut]), masked(fin|opContinuation, whole[cut:]), alive))
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
		whole := request(s)
		cases = append(cases,
			data("6", name, invalid, masked(fin|opText, whole), alive),
			data("6", name+", in fragments", invalid, masked(opText, whole[:21]), masked(fin|opContinuation, whole[21:]), alive),
			// Text in a binary frame is no WebSocket text; for the session it is just not JSON (RFC 8259 §8.1).
			data("6", name+", in a binary frame", []string{`text {"error":{"code":"invalid_frame","detail":"the frame is not UTF-8"}}`, isAlive}, masked(fin|opBinary, whole), alive),
		)
	}
	return append(cases,
		// On goroutines a message is looked at when it is whole: the suite calls failing at the first bad byte (6.4) the stricter way, and both
		// are right.
		otherwise([]string{"close 1007"}, data("6", "invalid bytes, and the message never finished", []string{isAlive}, masked(opText, "\xff\xff"), alive)),
	)
}

func closeCases() (cases []wireCase) {
	gone := masked(fin|opPing, "after the close")
	reason := strings.Repeat("r", 123)
	cases = []wireCase{
		both("7", "1000", []string{"close 1000"}, masked(fin|opClose, closing(1000, ""))),
		both("7", "1000, then another close", []string{"close 1000"}, masked(fin|opClose, closing(1000, "")), masked(fin|opClose, closing(1000, ""))),
		both("7", "1000, then a ping", []string{"close 1000"}, slices.Concat(masked(fin|opClose, closing(1000, "")), gone)),
		both("7", "1000, then text", []string{"close 1000"}, slices.Concat(masked(fin|opClose, closing(1000, "")), masked(fin|opText, padded(18)))),
		both("7", "without payload", []string{"close"}, masked(fin|opClose, "")),
		both("7", "of one byte", []string{"close 1002"}, masked(fin|opClose, "\x03")),
		both("7", "with a reason", []string{"close 1000"}, masked(fin|opClose, closing(1000, "hello"))),
		both("7", "with a reason of 123 bytes", []string{"close 1000"}, masked(fin|opClose, closing(1000, reason))),
		both("7", "with a reason of 124 bytes", []string{"close 1002"}, masked(fin|opClose, closing(1000, reason+"r"))),
		both("7", "after a ping, byte by byte", []string{`pong "x"`, "close 1000"}, split(masked(fin|opPing, "x"), masked(fin|opClose, closing(1000, "bye")))...),
		// The suite's 7.5.1 wants an invalid reason refused (RFC 6455 §5.5.1 says a reason is UTF-8). On goroutines the library answers the
		// close before it tells us of it, and repeats the reason; nobody reads it here.
		otherwise([]string{"close 1007"}, both("7", "with a reason that is not UTF-8", []string{"close 1000"}, masked(fin|opClose, closing(1000, "\xce\xba\xed\xa0\x80")))),
		{
			group: "7", name: "in the midst of a message",
			send:   [][]byte{masked(opText, `{"id"`), masked(fin|opClose, closing(1000, "")), masked(fin|opContinuation, `:1}`)},
			stream: []string{"close 1008"}, session: []string{"close 1000"},
		},
		data("7", "after a large message", []string{pong1, "close 1000"}, masked(fin|opText, padded(readLimit)), masked(fin|opClose, closing(1000, ""))),
	}
	for _, code := range []uint16{1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, both("7", fmt.Sprint("valid code ", code), []string{fmt.Sprint("close ", code)}, masked(fin|opClose, closing(code, ""))))
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, both("7", fmt.Sprint("invalid code ", code), []string{"close 1002"}, masked(fin|opClose, closing(code, "")), gone))
	}
	return cases
}

func limitCases() []wireCase {
	tooBig := []string{"close 1009"}
	// A message of 64 KiB in fragments of n bytes.
	pieces := func(total, n int) [][]byte {
		var b []byte
		whole := padded(total)
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
		return [][]byte{b, alive}
	}
	return []wireCase{
		data("9", "as large as the limit", []string{pong1, isAlive}, masked(fin|opText, padded(readLimit)), alive),
		data("9", "binary, as large as the limit", []string{pong1, isAlive}, masked(fin|opBinary, padded(readLimit)), alive),
		data("9", "a byte over the limit", tooBig, masked(fin|opText, padded(readLimit+1))),
		data("9", "far over the limit", tooBig, masked(fin|opText, padded(16*readLimit))),
		data("9", "a length of 2^62 announced, and more than the limit sent", tooBig, append(header(fin|opText, 0x80, 1<<62), make([]byte, 4+2*readLimit)...)),
		data("9", "in fragments of 64 bytes", []string{pong1, isAlive}, pieces(readLimit, 64)...),
		data("9", "in fragments of 16 KiB", []string{pong1, isAlive}, pieces(readLimit, 16<<10)...),
		data("9", "fragments that are over the limit together", tooBig, pieces(readLimit+1, 4096)...),
		data("9", "in writes of 997 bytes", []string{pong1, isAlive}, slices.Collect(slices.Chunk(append(masked(fin|opText, padded(readLimit)), alive...), 997))...),
		data("10", "a message in fragments of 1300 bytes", []string{pong1, isAlive}, pieces(65536, 1300)...),
	}
}
