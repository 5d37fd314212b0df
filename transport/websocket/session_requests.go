package websocket

import (
	"slices"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/request"
)

// carryOut does what a frame asks for and answers it. An *ending is the link's; any other error is the request's, and nothing was
// changed.
func (s *session) carryOut(q sessionFrame) error {
	switch q.kind {
	case kindSubscribe:
		return s.subscribe(q)
	case kindUnsubscribe:
		return s.unsubscribe(q)
	case kindPublish:
		return s.publish(q)
	default:
		return s.answer(q.id, func(dst []byte) []byte { return append(dst, `"pong":{}`...) })
	}
}

// answer writes {"id":…,…}. A request without an id gets no answer.
func (s *session) answer(id uint32, body func(dst []byte) []byte) error {
	if id == 0 {
		return nil
	}
	return s.link.write(append(body(appendHead(nil, id)), '}'))
}

func (s *session) subscribe(q sessionFrame) error {
	channels := unique(q.channels)
	if err := s.admit(q.id, channels); err != nil {
		return err
	}
	sub, err := s.gate.Subscribe(s.ctx, channels, q.since)
	if err != nil {
		return inField(err, "channel", "channels")
	}
	at := sub.Position()
	if err := s.answer(q.id, func(dst []byte) []byte { return appendSubscribed(dst, channels, at) }); err != nil {
		sub.Close()
		return err
	}
	s.follow(q.id, sub, channels, at)
	return nil
}

// admit checks what the session itself has against a subscription.
func (s *session) admit(id uint32, channels []string) error {
	switch {
	case s.subscriptions[id] != nil:
		return refusal(todoke.CodeInvalidParameter, "id", "a subscription of this session has this id; choose another")
	case len(s.subscriptions) >= MaxSubscriptions:
		return refusal(todoke.CodeTooManyChannels, "", "a session has at most 100 subscriptions; put more channels into one")
	case len(channels) > todoke.MaxChannels:
		return refusal(todoke.CodeTooManyChannels, "channels", "a subscription has at most 100 channels")
	case len(s.owners)+len(channels) > MaxSessionChannels:
		return refusal(todoke.CodeTooManyChannels, "channels", "the subscriptions of a session have at most 1,000 channels together")
	}
	for _, channel := range channels {
		if err := todoke.ValidatePattern(channel); err != nil {
			return inField(err, "channel", "channels")
		}
	}
	for _, channel := range channels {
		if taken := s.overlapping(channel); taken != "" {
			return refusal(todoke.CodeAlreadySubscribed, "channels", channel+" and "+taken+", which another subscription has, share channels")
		}
	}
	return nil
}

// overlapping finds a channel or pattern of the session that shares channels with the given one.
func (s *session) overlapping(channel string) string {
	if s.owners[channel] != nil {
		return channel
	}
	pattern := todoke.IsPattern(channel)
	for other := range s.owners {
		if (pattern || todoke.IsPattern(other)) && todoke.PatternsOverlap(channel, other) {
			return other
		}
	}
	return ""
}

// unsubscribe takes channels out of the subscriptions that have them. After its answer no message of them comes.
func (s *session) unsubscribe(q sessionFrame) error {
	channels := unique(q.channels)
	if len(channels) == 0 {
		return refusal(todoke.CodeInvalidChannel, "channels", "name at least one channel")
	}
	var from []*subscription
	for _, channel := range channels {
		owner := s.owners[channel]
		if owner == nil {
			return refusal(todoke.CodeNotSubscribed, "channels", "no subscription of this session has "+clip(channel)+"; name it as it was subscribed to")
		}
		if !slices.Contains(from, owner) {
			from = append(from, owner)
		}
	}
	for _, u := range from {
		// What u has read is written first; what it reads later is without the channels.
		u.batch.Lock()
		defer u.batch.Unlock()
	}
	for _, u := range from {
		s.remove(u, channels)
	}
	return s.answer(q.id, func(dst []byte) []byte { return appendUnsubscribed(dst, channels) })
}

// publish takes the same envelope as POST /v1/publish, of one channel.
func (s *session) publish(q sessionFrame) error {
	messages, single, err := request.ParseEnvelope(q.publish, todoke.MaxBatch)
	if err != nil {
		return err
	}
	if !single {
		return refusal(todoke.CodeInvalidParameter, "channels", "a session publishes to one channel a frame; POST /v1/publish takes more")
	}
	published, err := s.gate.Publish(s.ctx, messages[0])
	if err != nil {
		return err
	}
	return s.answer(q.id, func(dst []byte) []byte { return appendPublished(dst, published) })
}

func refusal(code todoke.Code, field, hint string) error {
	return &todoke.Error{Code: code, Field: field, Hint: hint}
}

// inField renames the field of an error that the core calls otherwise than the frame.
func inField(err error, from, to string) error {
	e := *todoke.AsError(err)
	if e.Field == from {
		e.Field = to
	}
	return &e
}

// unique returns names in their order, each once.
func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}

// clip keeps what a client sent short in what it is answered.
func clip(s string) string {
	if len(s) > todoke.MaxChannelBytes {
		return s[:64] + "…"
	}
	return s
}
