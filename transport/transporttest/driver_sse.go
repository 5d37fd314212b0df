package transporttest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// An sseReader reads lines as the WHATWG's grammar has them (HTML §9.2.5), message objects as data.
type sseReader struct {
	cancel   context.CancelFunc
	lines    *bufio.Reader
	resp     *http.Response
	id       string
	position string
	retry    string
}

func openSSE(ctx context.Context, base string, channels []string, since string) (Reader, error) {
	params := url.Values{"format": {"message"}}
	if since != "" {
		params.Set("since", since)
	}
	streaming, cancel := context.WithCancel(context.WithoutCancel(ctx))
	req, err := http.NewRequestWithContext(streaming, http.MethodGet, address(base, channels, params), nil)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := client().Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer cancel()
		return nil, refusal(resp)
	}
	r := &sseReader{cancel: cancel, resp: resp, lines: bufio.NewReader(resp.Body)}
	if e, err := r.event(); err != nil || e.name != "todoke.position" || r.position == "" {
		r.Close()
		return nil, fmt.Errorf("the stream opens with %+v, position %q: %w", e, r.position, err)
	}
	return r, nil
}

type sseEvent struct{ name, data string }

// event reads up to the next empty line, which also makes the id known.
func (r *sseReader) event() (e sseEvent, err error) {
	hasData := false
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			r.position = r.id
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
		case "id":
			r.id = value
		case "event":
			e.name = value
		case "data":
			if hasData {
				e.data += "\n"
			}
			e.data += value
			hasData = true
		case "retry":
			r.retry = value
		default:
			return e, fmt.Errorf("unknown field in line %q", line)
		}
	}
}

func (r *sseReader) Next(ctx context.Context) (Event, error) {
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	r.retry = ""
	for {
		e, err := r.event()
		switch {
		case err != nil && r.retry != "":
			return Event{}, fmt.Errorf("%w: retry after %s ms", ErrRestarting, r.retry)
		case err != nil:
			return Event{}, err
		case e.name == "todoke.error":
			return Event{}, errors.New(e.data)
		case e.data == "" || e.name == "todoke.position":
			continue
		}
		got, err := decodeFrame(e.data)
		if err == nil && got.Gap != nil && e.name != "todoke.gap" {
			err = fmt.Errorf("a gap comes as event %q", e.name)
		}
		if err == nil && got.Message != nil && (got.Message.Position.String() != r.position || got.Message.Event != e.name) {
			err = fmt.Errorf("id %s and event %q stand with %s", r.position, e.name, e.data)
		}
		return got, err
	}
}

func (r *sseReader) Position() string { return r.position }

func (r *sseReader) Close() {
	r.cancel()
	r.resp.Body.Close()
}
