package transporttest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/problem"
)

// Drivers returns the drivers of the HTTP face's transports.
func Drivers() []Driver {
	return []Driver{
		{Name: "poll", Open: openPoll, Polls: true},
		{Name: "longpoll", Open: openLongPoll, Polls: true},
		{Name: "sse", Open: openSSE},
		{Name: "websocket", Open: openWebSocket},
		{Name: "session", Open: openSession},
	}
}

// address is where channels are read: one has a path of its own.
func address(base string, channels []string, params url.Values) string {
	path := "/v1/messages"
	if len(channels) == 1 {
		path = "/v1/channels/" + url.PathEscape(channels[0]) + "/messages"
	} else {
		params["channel"] = channels
	}
	return base + path + "?" + params.Encode()
}

// client makes a client with connections of its own, so that closing them cuts only this reader.
func client() *http.Client { return &http.Client{Transport: &http.Transport{}} }

// refusal makes an error of an answer that is no success.
func refusal(resp *http.Response) error {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	var p problem.Problem
	if err := json.Unmarshal(body, &p); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
		return fmt.Errorf("status %d without a problem document: %.200s", resp.StatusCode, body)
	}
	return refusalOf(p.Code, p.Detail)
}

func refusalOf(code todoke.Code, detail string) error {
	switch code {
	case todoke.CodeForbidden, todoke.CodeUnauthenticated:
		return fmt.Errorf("%w: %s", ErrRefused, detail)
	case todoke.CodeRestarting:
		return fmt.Errorf("%w: %s", ErrRestarting, detail)
	}
	return fmt.Errorf("%s: %s", code, detail)
}

// A pollReader asks again and again.
type pollReader struct {
	client   *http.Client
	base     string
	channels []string
	wait     string
	position string // resumes after the event that was given last
	at       string // where the next poll goes on
	since    string
	events   []Event
}

func openPoll(ctx context.Context, base string, channels []string, since string) (Reader, error) {
	return newPollReader(ctx, base, channels, since, "")
}

func openLongPoll(ctx context.Context, base string, channels []string, since string) (Reader, error) {
	return newPollReader(ctx, base, channels, since, "20s")
}

// newPollReader asks once without waiting, for the position and what there is.
func newPollReader(ctx context.Context, base string, channels []string, since, wait string) (Reader, error) {
	r := &pollReader{client: client(), base: base, channels: channels, since: since}
	if err := r.ask(ctx); err != nil {
		r.Close()
		return nil, err
	}
	r.wait = wait
	return r, nil
}

func (r *pollReader) ask(ctx context.Context) error {
	params := url.Values{"limit": {"7"}}
	if r.since != "" {
		params.Set("since", r.since)
	}
	if r.wait != "" {
		params.Set("wait", r.wait)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address(r.base, r.channels, params), nil)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	defer resp.Body.Close()
	var page frame.Page
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if header := resp.Header.Get("Todoke-Position"); header != page.Position.String() {
		return fmt.Errorf("the header has the position %s, the page %s", header, page.Position)
	}
	return r.take(page)
}

func (r *pollReader) take(page frame.Page) error {
	for _, g := range page.AllGaps() {
		gap := g.Decode()
		r.events = append(r.events, Event{Gap: &gap})
	}
	for _, m := range page.Messages {
		message, err := m.Decode()
		if err != nil {
			return err
		}
		r.events = append(r.events, Event{Message: message})
	}
	r.since, r.at = page.Position.String(), page.Position.String()
	if r.position == "" || len(page.Messages) == 0 {
		r.position = r.at
	}
	return nil
}

func (r *pollReader) Next(ctx context.Context) (Event, error) {
	for len(r.events) == 0 {
		if err := r.ask(ctx); err != nil {
			return Event{}, err
		}
	}
	e := r.events[0]
	r.events = r.events[1:]
	switch {
	case len(r.events) == 0:
		r.position = r.at
	case e.Message != nil:
		r.position = e.Message.Position.String()
	}
	return e, nil
}

func (r *pollReader) Position() string { return r.position }

func (r *pollReader) Close() { r.client.CloseIdleConnections() }

// decodeFrame reads a message object or a gap frame.
func decodeFrame(text string) (Event, error) {
	var outer struct {
		Gap *frame.Gap `json:"gap"`
	}
	if err := json.Unmarshal([]byte(text), &outer); err != nil {
		return Event{}, fmt.Errorf("frame %.100q: %w", text, err)
	}
	if outer.Gap != nil {
		gap := outer.Gap.Decode()
		return Event{Gap: &gap}, nil
	}
	var m frame.Message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Event{}, fmt.Errorf("frame %.100q: %w", text, err)
	}
	message, err := m.Decode()
	return Event{Message: message}, err
}

// wsURL turns an http URL into a ws one.
func wsURL(address string) string { return "ws" + strings.TrimPrefix(address, "http") }
