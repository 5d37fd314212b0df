package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

// A publisher publishes messages in order. With an error come the results of those that were published before it.
type publisher interface {
	publish(ctx context.Context, messages []todoke.Message) ([]todoke.Published, error)
	close()
}

// An httpPublisher makes one request for all that there is.
type httpPublisher struct{ client *client.Client }

func (p httpPublisher) publish(ctx context.Context, messages []todoke.Message) ([]todoke.Published, error) {
	if len(messages) > 1 {
		return p.client.PublishBatch(ctx, messages)
	}
	result, err := p.client.Publish(ctx, messages[0])
	if err != nil {
		return nil, err
	}
	return []todoke.Published{result}, nil
}

func (httpPublisher) close() {}

// sessionTimeout is how long a session may take to answer.
const sessionTimeout = 30 * time.Second

// A sessionPublisher publishes over a session. When that is lost on the way, the client's own publish, which repeats
// itself, has the word: with the same key, so that nothing is published twice.
type sessionPublisher struct {
	client  *client.Client
	session *client.Session
}

func (p *sessionPublisher) publish(ctx context.Context, messages []todoke.Message) ([]todoke.Published, error) {
	var results []todoke.Published
	for _, m := range messages {
		if m.IdempotencyKey == "" {
			m.IdempotencyKey = rand.Text()
		}
		result, err := p.publishOne(ctx, m)
		if p.session == nil && err != nil && ctx.Err() == nil {
			result, err = p.client.Publish(ctx, m)
		}
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

// publishOne leaves no session behind when an error was the session's.
func (p *sessionPublisher) publishOne(ctx context.Context, m todoke.Message) (result todoke.Published, err error) {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	if p.session == nil {
		if p.session, err = p.client.Connect(ctx); err != nil {
			return result, err
		}
	}
	result, err = p.session.Publish(ctx, m)
	if errors.Is(err, todoke.CodeUnknown) || err != nil && p.session.Err() != nil {
		p.close()
	}
	return result, err
}

func (p *sessionPublisher) close() {
	if p.session != nil {
		p.session.Close()
		p.session = nil
	}
}

var (
	_ publisher = httpPublisher{}
	_ publisher = (*sessionPublisher)(nil)
)
