package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
)

const (
	longPollWait = 30 * time.Second
	// hurried is how soon an empty answer to a long poll makes us suspect something on the way that does not wait.
	hurried   = time.Second
	pageSlack = 4 // a page may be so many times MaxMessageBytes
)

// A pageSize is how many messages a poll asks for. An answer that is cut is lost as a whole, so where the connection never lasts
// for a page the pages have to become smaller. It is the stream's, for a link ends with a cut.
type pageSize int

const mostOfPage pageSize = 500

func (p *pageSize) shrink() { *p = max(1, *p/2) }
func (p *pageSize) grow()   { *p = min(mostOfPage, *p*2) }

// A pollLink reads page after page. It holds one page at most.
type pollLink struct {
	client   *Client
	size     *pageSize
	life     context.Context
	end      context.CancelFunc
	channels []string
	interval time.Duration // between polls at the head
	wait     time.Duration // long polling; 0: polling
	since    todoke.Since
	etag     string // of the answer at since
	asked    bool   // the first page is behind us
	more     bool   // the next page is there already
	pause    time.Duration
	pending  []Event
}

func newPollLink(c *Client, life context.Context, o SubscribeOptions, since todoke.Since, wait time.Duration, size *pageSize) *pollLink {
	l := &pollLink{client: c, size: size, channels: o.Channels, interval: o.PollInterval, wait: wait, since: since}
	l.life, l.end = context.WithCancel(life)
	return l
}

func (l *pollLink) next(ctx context.Context) (Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	for len(l.pending) == 0 {
		if err := sleep(ctx, l.pause); err != nil {
			return Event{}, err
		}
		if err := l.ask(ctx); err != nil {
			return Event{}, err
		}
	}
	e := l.pending[0]
	l.pending[0] = Event{}
	l.pending = l.pending[1:]
	return e, nil
}

// ask makes one request and turns the page into events. The first request does not wait: its answer tells where we are.
func (l *pollLink) ask(ctx context.Context) error {
	wait := l.wait
	if !l.asked || l.more {
		wait = 0
	}
	began := time.Now()
	a, err := l.request(ctx, wait)
	if err != nil {
		l.size.shrink()
		return err
	}
	l.size.grow()
	page, err := readPage(a)
	if err != nil {
		return err
	}
	l.asked, l.more, l.etag = true, page.More, ""
	if l.since == todoke.After(page.Position) {
		l.etag = a.header.Get("ETag") // the next request has the same address
	}
	if err := l.keep(page); err != nil {
		return err
	}
	switch empty := len(page.Messages) == 0; {
	case page.More, l.wait > 0 && !(wait > 0 && empty && time.Since(began) < hurried):
		l.pause = 0
	default:
		// A tenth more or less, so that clients that began together drift apart.
		l.pause = l.interval*9/10 + rand.N(l.interval/5+1)
	}
	return nil
}

func (l *pollLink) request(ctx context.Context, wait time.Duration) (answer, error) {
	query := url.Values{"since": {l.since.String()}, "limit": {strconv.Itoa(int(*l.size))}}
	header := http.Header{}
	if wait > 0 {
		query.Set("wait", strconv.Itoa(int(wait.Seconds())))
	} else if l.etag != "" {
		header.Set("If-None-Match", l.etag)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.client.idle+wait, errIdle)
	defer cancel()
	a, err := l.client.once(ctx, call{
		method: http.MethodGet, path: readPath(l.channels, query), header: header, limit: l.client.max * pageSlack, endless: wait > 0,
	})
	if err != nil && errors.Is(context.Cause(ctx), errIdle) {
		return answer{}, errIdle
	}
	return a, err
}

// keep turns the page into events and moves on.
func (l *pollLink) keep(page frame.Page) error {
	events := make([]Event, 0, len(page.Messages)+2)
	for _, gap := range page.AllGaps() {
		events = append(events, gapEvent(gap))
	}
	for _, m := range page.Messages {
		e, err := messageEvent(m)
		if err != nil {
			return err
		}
		events = append(events, e)
	}
	if !page.Position.IsZero() {
		l.since = todoke.After(page.Position)
		events = append(events, Event{Position: page.Position})
	}
	l.pending = events
	return nil
}

// readPage reads the answer to a poll. With 304 nothing came, and the position stands in a header.
func readPage(a answer) (page frame.Page, err error) {
	if a.status == http.StatusNotModified {
		err = page.Position.UnmarshalText([]byte(a.header.Get("Todoke-Position")))
	} else if err = json.Unmarshal(a.body, &page); err == nil && page.Position.IsZero() {
		err = errors.New("it has no position")
	}
	if err != nil {
		return frame.Page{}, unexpected("page of messages", err)
	}
	return page, nil
}

func (l *pollLink) close() { l.end() }
