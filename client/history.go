package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/todoke-dev/todoke"
)

// History reads one page of what is retained; a further History, or a Subscribe, After its Position goes on where it ends.
// q.Since zero is todoke.Earliest. q.MaxBytes has no place on the wire and must be 0: the server ends a page at 4 MiB. It repeats
// itself like Publish.
func (c *Client) History(ctx context.Context, q todoke.Query) (todoke.History, error) {
	if err := validateChannels(q.Channels); err != nil {
		return todoke.History{}, err
	}
	if q.MaxBytes != 0 {
		return todoke.History{}, invalid("max_bytes", "the server's limit cannot be changed by a client; leave it 0")
	}
	query := url.Values{}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.String())
	}
	if q.Limit != 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	a, err := c.repeat(ctx, call{method: http.MethodGet, path: readPath(q.Channels, query), limit: c.max * pageSlack})
	if err != nil {
		return todoke.History{}, err
	}
	page, err := readPage(a)
	if err != nil {
		return todoke.History{}, err
	}
	h := todoke.History{Position: page.Position, More: page.More}
	for _, gap := range page.AllGaps() {
		h.Gaps = append(h.Gaps, gap.Decode())
	}
	for _, m := range page.Messages {
		e, err := messageEvent(m)
		if err != nil {
			return todoke.History{}, err
		}
		h.Messages = append(h.Messages, e.Message)
	}
	return h, nil
}
