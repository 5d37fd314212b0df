package client

import (
	"context"

	"github.com/todoke-dev/todoke"
)

// A sessionLink reads one subscription over a session of its own.
type sessionLink struct {
	session *Session
	opening *Event
}

func (c *Client) dialSession(ctx, life context.Context, o SubscribeOptions, since todoke.Since) (link, error) {
	session, err := c.connect(ctx, life)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.idle, errIdle)
	defer cancel()
	subscribed, err := session.Subscribe(ctx, o.Channels, since)
	if err != nil {
		session.stop()
		return nil, err
	}
	return &sessionLink{session, &Event{Position: subscribed.Position}}, nil
}

func (l *sessionLink) next(ctx context.Context) (Event, error) {
	if l.opening != nil {
		e := *l.opening
		l.opening = nil
		return e, nil
	}
	e, err := l.session.Next(ctx)
	e.Subscription = 0 // a stream has but one
	return e, err
}

func (l *sessionLink) close() { l.session.stop() }
