// Package request understands what an HTTP request asks for: which channels, from where on, in what representation,
// for how long; and what it publishes. It reads, and changes nothing; polling, SSE, WebSocket and httpapi act on it.
//
// Every error is a *todoke.Error that names the parameter, header or field at fault. A parameter that is
// not known is ignored, one with an empty value is the same as none; a field of a JSON document that is not known is an error.
package request

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/todoke-dev/todoke"
)

// MaxWait is the longest a long poll waits; who asks for more gets this.
const MaxWait = 60 * time.Second

// The values of Read.Format.
const (
	FormatRaw     = "raw"     // the message's data as it is
	FormatMessage = "message" // the message object
)

// A Read is what a request to read asks for.
type Read struct {
	// Channels are valid channels and patterns, each once: 1 to todoke.MaxChannels.
	Channels []string
	// Many is true for several channels, or a pattern: then a reader has to be told which channel a message is of.
	Many bool
	// Since is where to start; zero leaves it to the transport.
	Since todoke.Since
	// Limit is the most messages of a page. 0: the default.
	Limit int
	// Wait is how long a long poll waits, up to MaxWait. 0: it does not.
	Wait time.Duration
	// Preferred is true when Wait came from a Prefer header, which the answer has to confirm.
	Preferred bool
	// Format is FormatRaw, FormatMessage or, where the client leaves it open, empty.
	Format string
}

// ParseRead reads the query and the headers of r. channels come from the path, or from the program that serves a channel of
// its own choice, and the query's channel means nothing then. With nil, which a program that has made its choice must
// not pass, the query names them, as channel=a&channel=b.
func ParseRead(r *http.Request, channels []string) (Read, error) {
	query, err := parseQuery(r)
	if err != nil {
		return Read{}, err
	}
	read := Read{}
	if err := read.setChannels(query, channels); err != nil {
		return Read{}, err
	}
	if err := read.setSince(r, query); err != nil {
		return Read{}, err
	}
	if read.Limit, err = parseLimit(query); err != nil {
		return Read{}, err
	}
	if err := read.setWait(r, query); err != nil {
		return Read{}, err
	}
	if read.Format, err = single(query, "format"); err != nil {
		return Read{}, err
	}
	switch read.Format {
	case "", FormatRaw, FormatMessage:
		return read, nil
	default:
		return Read{}, badParameter("format", "%q is neither raw nor message", clip(read.Format))
	}
}

// parseQuery is url.ParseQuery; URL.Query would silently leave out what it cannot read.
func parseQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &todoke.Error{
			Code: todoke.CodeInvalidParameter, Field: "query", Err: err,
			Hint: "the part after '?' is not well formed: write name=value&name=value, and %XX for what may not stand there",
		}
	}
	return query, nil
}

func (read *Read) setChannels(query url.Values, channels []string) error {
	if channels == nil {
		channels = query["channel"]
	}
	switch {
	case len(channels) == 0:
		return &todoke.Error{Code: todoke.CodeInvalidChannel, Field: "channel", Hint: "name at least one channel: ?channel=news"}
	case len(channels) > todoke.MaxChannels:
		return &todoke.Error{
			Code: todoke.CodeTooManyChannels, Field: "channel",
			Hint: fmt.Sprintf("%d channels; at most %d are allowed in one request", len(channels), todoke.MaxChannels),
		}
	}
	for _, channel := range channels {
		if err := todoke.ValidatePattern(channel); err != nil {
			return err
		}
		if !slices.Contains(read.Channels, channel) {
			read.Channels = append(read.Channels, channel)
		}
	}
	read.Many = len(read.Channels) > 1 || todoke.IsPattern(read.Channels[0])
	return nil
}

// setSince takes the freshest word on where the client is. Last-Event-ID wins: an EventSource that reconnects repeats its
// URL as it was (WHATWG HTML §9.2.3). The parameter lastEventId is the same from a widespread EventSource
// polyfill, which cannot set the header.
func (read *Read) setSince(r *http.Request, query url.Values) error {
	text, err := single(query, "since")
	if err != nil {
		return err
	}
	id, field := r.Header.Get("Last-Event-ID"), "Last-Event-ID"
	if id == "" {
		field = "lastEventId"
		if id, err = single(query, field); err != nil {
			return err
		}
	}
	if id == "" {
		read.Since, err = todoke.ParseSince(text)
		return err
	}
	position, err := todoke.ParsePosition(id)
	if err != nil {
		return renamed(err, field)
	}
	read.Since = todoke.After(position)
	return nil
}

func parseLimit(query url.Values) (int, error) {
	text, err := single(query, "limit")
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > todoke.MaxHistoryLimit {
		return 0, badParameter("limit", "%q is not a number from 1 to %d", clip(text), todoke.MaxHistoryLimit)
	}
	return n, nil
}

// setWait reads the parameter wait, or else the Prefer header, which is only a wish: what is wrong with it is ignored.
func (read *Read) setWait(r *http.Request, query url.Values) error {
	text, err := single(query, "wait")
	if err != nil {
		return err
	}
	if text == "" {
		read.Wait, read.Preferred = preferredWait(r.Header)
		return nil
	}
	wait, err := parseWait(text)
	if err != nil {
		return err
	}
	read.Wait = min(wait, MaxWait)
	return nil
}

func parseWait(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, badParameter("wait", "%q is neither a duration like 30s nor a number of seconds", clip(text))
	}
	return wait, nil
}

// single returns the value of a parameter that may stand once, or "".
func single(query url.Values, name string) (string, error) {
	values := query[name]
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", badParameter(name, "it is given %d times; give it once", len(values))
	}
}
