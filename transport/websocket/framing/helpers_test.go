package framing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
)

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
	mask = 0x80

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// masked builds a client's frame.
func masked(first byte, payload string) []byte {
	return withKey([4]byte{0x37, 0xfa, 0x21, 0x3d}, first, payload)
}

func withKey(key [4]byte, first byte, payload string) []byte {
	frame := append(head(first, mask, uint64(len(payload))), key[:]...)
	for i := range len(payload) {
		frame = append(frame, payload[i]^key[i%4])
	}
	return frame
}

func head(first, mask byte, length uint64) []byte {
	switch {
	case length < 126:
		return []byte{first, mask | byte(length)}
	case length < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(length))
	default:
		return head64(first, length)
	}
}

func head16(first byte, length uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, length)
}

func head64(first byte, length uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{first, mask | 127}, length)
}

// ended is the payload of a close frame.
func ended(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// String writes events as the tables have them.
func (e Event) String() string {
	name := map[Op]string{Text: "text", Binary: "binary", Ping: "ping", Pong: "pong"}[e.Op]
	switch {
	case e.Op == Close && e.Code == 0 && len(e.Payload) == 0:
		return "closed"
	case e.Op == Close:
		return fmt.Sprintf("closed %d %q", e.Code, e.Payload)
	case len(e.Payload) > 200:
		return fmt.Sprintf("%s of %d bytes, %08x", name, len(e.Payload), crc32.ChecksumIEEE(e.Payload))
	default:
		return fmt.Sprintf("%s %q", name, e.Payload)
	}
}

// text and binaryOf are what the tables expect of messages of any size.
func text(s string) string     { return Event{Op: Text, Payload: []byte(s)}.String() }
func binaryOf(s string) string { return Event{Op: Binary, Payload: []byte(s)}.String() }

// A drive feeds a Reader and writes down what comes.
type drive struct {
	t      testing.TB
	reader Reader
	rules  Rules
	fed    int
	got    []string
	fault  *Error
}

// feed hands over a copy of p, which is overwritten afterwards: the Reader may not keep it.
func (d *drive) feed(p []byte) {
	d.t.Helper()
	own := bytes.Clone(p)
	d.fed += len(p)
	for rest := own; ; {
		var event Event
		var err error
		event, rest, err = d.reader.Next(rest, d.rules)
		if held := d.reader.Held(); held > cutBytes+d.rules.limit()+mostControl || held > cutBytes+2*d.fed+leastGrowth+mostControl {
			d.t.Fatalf("holds %d bytes after %d", held, d.fed)
		}
		if err != nil {
			d.fail(err)
			break
		}
		if event.Op == 0 {
			if len(rest) > 0 {
				d.t.Fatalf("%d bytes were left without an event", len(rest))
			}
			break
		}
		d.got = append(d.got, event.String())
	}
	for i := range own {
		own[i] = 0xAA
	}
}

func (d *drive) fail(err error) {
	d.t.Helper()
	fault, ok := errors.AsType[*Error](err)
	if !ok || !mayStand(fault.Code) || len(fault.Reason) > mostReason {
		d.t.Fatalf("the error is %#v", err)
	}
	if d.fault != nil && d.fault != fault {
		d.t.Fatalf("first %v, then %v", d.fault, fault)
	}
	if d.fault == nil {
		d.fault = fault
		d.got = append(d.got, fmt.Sprint("fault ", fault.Code))
	}
	if d.reader.cut != nil {
		d.t.Fatal("a Reader that has failed holds something")
	}
}

// outcome gives what comes of the pieces.
func outcome(t testing.TB, rules Rules, pieces ...[]byte) ([]string, *Error) {
	t.Helper()
	d := &drive{t: t, rules: rules}
	for _, p := range pieces {
		d.feed(p)
	}
	return d.got, d.fault
}

// split cuts b so that each piece has one byte.
func split(b ...[]byte) [][]byte {
	return slices.Collect(slices.Chunk(bytes.Join(b, nil), 1))
}

// shred cuts b at random, mostly into few bytes at a time, and into none at times.
func shred(random *rand.Rand, b []byte) (pieces [][]byte) {
	for len(b) > 0 {
		n := min(len(b), random.IntN(1<<random.IntN(16)))
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}
