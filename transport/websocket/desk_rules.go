package websocket

import (
	"slices"

	"github.com/todoke-dev/todoke"
)

// admit checks what the session itself has against a subscription.
func (d *desk) admit(id uint32, channels []string) error {
	switch {
	case d.subscriptions[id] != nil:
		return refusal(todoke.CodeInvalidParameter, "id", "a subscription of this session has this id; choose another")
	case len(d.subscriptions) >= MaxSubscriptions:
		return refusal(todoke.CodeTooManyChannels, "", "a session has at most 100 subscriptions; put more channels into one")
	case len(channels) > todoke.MaxChannels:
		return refusal(todoke.CodeTooManyChannels, "channels", "a subscription has at most 100 channels")
	case len(d.owners)+len(channels) > MaxSessionChannels:
		return refusal(todoke.CodeTooManyChannels, "channels", "the subscriptions of a session have at most 1,000 channels together")
	}
	for _, channel := range channels {
		if err := todoke.ValidatePattern(channel); err != nil {
			return inField(err, "channel", "channels")
		}
	}
	for _, channel := range channels {
		if taken := d.overlapping(channel); taken != "" {
			return refusal(todoke.CodeAlreadySubscribed, "channels", channel+" and "+taken+", which another subscription has, share channels")
		}
	}
	return nil
}

// overlapping finds a channel or pattern of the session that shares channels with the given one.
func (d *desk) overlapping(channel string) string {
	if d.owners[channel] != nil {
		return channel
	}
	pattern := todoke.IsPattern(channel)
	for other := range d.owners {
		if (pattern || todoke.IsPattern(other)) && todoke.PatternsOverlap(channel, other) {
			return other
		}
	}
	return ""
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
