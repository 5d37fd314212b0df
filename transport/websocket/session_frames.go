package websocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/internal/jsonscan"
	"github.com/todoke-dev/todoke/transport/frame"
)

type frameKind uint8

const (
	kindNone frameKind = iota
	kindSubscribe
	kindUnsubscribe
	kindPublish
	kindPing
)

// A sessionFrame is one request of a client.
type sessionFrame struct {
	id       uint32 // 0: none
	kind     frameKind
	channels []string        // of subscribe and unsubscribe
	since    todoke.Since    // of subscribe
	publish  json.RawMessage // an envelope
}

// decodeFrame reads a frame strictly: what a server does not understand it must not carry out in part. The error is an *Error,
// with CodeInvalidFrame unless it is about since; the frame then has the id, if that could be read, for the answer.
func decodeFrame(data []byte) (f sessionFrame, err error) {
	if !utf8.Valid(data) { // a binary frame; encoding/json would take it and change it
		return f, invalidFrame("", "the frame is not UTF-8")
	}
	var value json.RawMessage
	err = members(data, "", func(name string, raw json.RawMessage) (err error) {
		kind := kindNone
		switch name {
		case "id":
			f.id, err = decodeID(raw)
			return err
		case "subscribe":
			kind = kindSubscribe
		case "unsubscribe":
			kind = kindUnsubscribe
		case "publish":
			kind = kindPublish
		case "ping":
			kind = kindPing
		default:
			return errUnknownField
		}
		if f.kind != kindNone {
			return invalidFrame(name, "a frame has one request; send two frames")
		}
		f.kind, value = kind, raw
		return nil
	})
	if err != nil {
		return f, err
	}
	return f, f.decodeRequest(value)
}

func (f *sessionFrame) decodeRequest(value json.RawMessage) error {
	switch f.kind {
	case kindSubscribe:
		if f.id == 0 {
			return invalidFrame("id", "subscribe needs an id, from 1 on: it names the subscription")
		}
		return f.decodeSubscribe(value)
	case kindUnsubscribe:
		return f.decodeUnsubscribe(value)
	case kindPublish:
		f.publish = value
		return nil
	case kindPing:
		return members(value, "ping", func(string, json.RawMessage) error { return errUnknownField })
	default:
		return invalidFrame("", "there is no request in it: subscribe, unsubscribe, publish or ping")
	}
}

func (f *sessionFrame) decodeSubscribe(value json.RawMessage) error {
	var channels []string // not the field itself: the frames that have none would stand on the heap for it
	var since string
	err := members(value, "subscribe", func(name string, raw json.RawMessage) error {
		switch name {
		case "channels":
			return decodeInto(raw, &channels, "channels", "it is a list of channels and patterns")
		case "since":
			return decodeInto(raw, &since, "since", "it is a string")
		default:
			return errUnknownField
		}
	})
	if err != nil {
		return err
	}
	f.channels = channels
	f.since, err = todoke.ParseSince(since)
	return err
}

func (f *sessionFrame) decodeUnsubscribe(value json.RawMessage) error {
	var channels []string
	err := members(value, "unsubscribe", func(name string, raw json.RawMessage) error {
		if name != "channels" {
			return errUnknownField
		}
		return decodeInto(raw, &channels, "channels", "it is a list of channels and patterns")
	})
	f.channels = channels
	return err
}

// errUnknownField is a visitor's answer to a name that it does not know.
var errUnknownField = errors.New("unknown field")

// members calls visit for each member of the object that data is. Names are compared as they are, and stand once:
// encoding/json alone would take "ID" for "id", and the last of two. within is the request that the object is of, if any, for
// errors.
func members(data []byte, within string, visit func(name string, value json.RawMessage) error) error {
	var room [4]member
	list := room[:0]
	if !jsonscan.Object(data, func(name, value []byte) bool {
		list = append(list, member{known(name), value})
		return len(list) <= mostMembers
	}) {
		return eachMember(data, within, visit) // what is unusual, or wrong
	}
	for i, m := range list {
		if slices.ContainsFunc(list[:i], func(before member) bool { return before.name == m.name }) {
			return invalidFrame(m.name, "it stands twice")
		}
		if err := visit(m.name, m.value); errors.Is(err, errUnknownField) {
			return invalidFrame(clip(m.name), "this field is not known here")
		} else if err != nil {
			return err
		}
	}
	return nil
}

// mostMembers is more than any object has that is right.
const mostMembers = 8

type member struct {
	name  string
	value json.RawMessage
}

// known returns a name as a string, those of our own without an allocation.
func known(name []byte) string {
	for _, own := range [...]string{"id", "publish", "subscribe", "unsubscribe", "ping", "channels", "since"} {
		if own == string(name) {
			return own
		}
	}
	return string(name)
}

// eachMember is members by encoding/json, which knows what is wrong.
func eachMember(data []byte, within string, visit func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return notAnObject(within)
	}
	var seen []string // visit knows them, so they are few
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return notAnObject(within)
		}
		name, _ := t.(string)
		if slices.Contains(seen, name) {
			return invalidFrame(name, "it stands twice")
		}
		seen = append(seen, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return notAnObject(within)
		}
		if err := visit(name, value); errors.Is(err, errUnknownField) {
			return invalidFrame(clip(name), "this field is not known here")
		} else if err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return notAnObject(within)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalidFrame("", "there is more after the object; send one object a frame")
	}
	return nil
}

func notAnObject(within string) error {
	if within == "" {
		return invalidFrame("", `a frame is one JSON object, like {"id":1,"ping":{}}`)
	}
	return invalidFrame(within, "it is a JSON object")
}

func invalidFrame(field, hint string) error {
	return &todoke.Error{Code: todoke.CodeInvalidFrame, Field: field, Hint: hint}
}

func decodeID(raw json.RawMessage) (uint32, error) {
	n, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || n == 0 {
		return 0, invalidFrame("id", "it is a whole number from 1 to 4294967295")
	}
	return uint32(n), nil
}

func decodeInto(raw json.RawMessage, into any, field, hint string) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return invalidFrame(field, hint)
	}
	return nil
}

// appendHead begins an answer: {"id":1, where there is an id.
func appendHead(dst []byte, id uint32) []byte {
	dst = append(dst, '{')
	if id == 0 {
		return dst
	}
	dst = append(dst, `"id":`...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	return append(dst, ',')
}

func appendSubscribed(dst []byte, channels []string, at todoke.Position) []byte {
	dst = append(dst, `"subscribed":{"channels":`...)
	dst = appendStrings(dst, channels)
	dst = append(dst, `,"position":"`...)
	dst = at.AppendTo(dst)
	return append(dst, `"}`...)
}

func appendUnsubscribed(dst []byte, channels []string) []byte {
	dst = append(dst, `"unsubscribed":{"channels":`...)
	dst = appendStrings(dst, channels)
	return append(dst, '}')
}

func appendPublished(dst []byte, p todoke.Published) []byte {
	dst = append(dst, `"published":`...)
	return frame.AppendPublished(dst, p)
}

func appendResults(dst []byte, results []todoke.Published) []byte {
	dst = append(dst, `"results":[`...)
	for i, p := range results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = frame.AppendPublished(dst, p)
	}
	return append(dst, ']')
}

// appendError appends a whole answer with an error. The cause stays here.
func appendError(dst []byte, id uint32, e *todoke.Error) []byte {
	dst = appendHead(dst, id)
	dst = append(dst, `"error":{"code":`...)
	dst = frame.AppendString(dst, string(e.Code))
	if e.Hint != "" {
		dst = append(dst, `,"detail":`...)
		dst = frame.AppendString(dst, e.Hint)
	}
	if e.Field != "" {
		dst = append(dst, `,"field":`...)
		dst = frame.AppendString(dst, e.Field)
	}
	return append(dst, "}}"...)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = frame.AppendString(dst, s)
	}
	return append(dst, ']')
}
