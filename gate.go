package todoke

import (
	"context"
	"strings"
)

// An Action is what a client wants to do with a channel or a pattern.
type Action string

const (
	ActionSubscribe Action = "subscribe" // follow it from some point on
	ActionPublish   Action = "publish"   // append to it
	ActionHistory   Action = "history"   // read what is retained, without following
	ActionNodes     Action = "nodes"     // see the nodes on the log; there is no channel to it
)

// An Access is a request for permission. Channel is empty for ActionNodes; else it is valid, and is a pattern where the client asks for one:
// the right must then cover all of it (PatternCovers).
type Access struct {
	Action  Action
	Channel string
}

// An Authorizer decides what clients may do. ctx is the request's: middleware in front of the transports
// puts there who is asking.
type Authorizer interface {
	// Authorize returns nil to allow. An *Error with CodeForbidden or CodeUnauthenticated is passed on to
	// the client; any other error refuses too, and is only logged.
	Authorize(ctx context.Context, a Access) error
}

// AuthorizerFunc makes a function an Authorizer.
type AuthorizerFunc func(ctx context.Context, a Access) error

// Authorize calls f.
func (f AuthorizerFunc) Authorize(ctx context.Context, a Access) error { return f(ctx, a) }

// AllowAll lets everybody do everything: for development, and behind a door of one's own.
var AllowAll Authorizer = AuthorizerFunc(func(context.Context, Access) error { return nil })

// A Gate is the hub as clients from outside see it: every call asks the Authorizer first, and
// a refusal changes nothing. Transports use nothing else.
type Gate struct{ hub *Hub }

// Gate returns the hub's gate.
func (h *Hub) Gate() Gate { return Gate{h} }

// Publish is Hub.Publish for a client that may publish to the channel.
func (g Gate) Publish(ctx context.Context, m Message) (Published, error) {
	if err := ValidateChannel(m.Channel); err != nil {
		return Published{}, err
	}
	if err := g.allow(ctx, ActionPublish, m.Channel); err != nil {
		return Published{}, err
	}
	return g.hub.Publish(ctx, m)
}

// PublishBatch is Hub.PublishBatch for a client that may publish to every channel of it.
func (g Gate) PublishBatch(ctx context.Context, batch []Message) ([]Published, error) {
	for i := range batch {
		if err := ValidateChannel(batch[i].Channel); err != nil {
			return nil, err
		}
		if err := g.allow(ctx, ActionPublish, batch[i].Channel); err != nil {
			return nil, err
		}
	}
	return g.hub.PublishBatch(ctx, batch)
}

// Subscribe is Hub.Subscribe for a client that may subscribe to all channels and patterns.
func (g Gate) Subscribe(ctx context.Context, channels []string, since Since) (*Subscription, error) {
	if err := g.allowAll(ctx, ActionSubscribe, channels); err != nil {
		return nil, err
	}
	return g.hub.Subscribe(ctx, channels, since)
}

// History is Hub.History for a client that may read the history of all channels and patterns.
func (g Gate) History(ctx context.Context, q Query) (History, error) {
	if err := g.allowAll(ctx, ActionHistory, q.Channels); err != nil {
		return History{}, err
	}
	return g.hub.History(ctx, q)
}

// Nodes is Hub.Nodes for a client that may see them, with the ID of the one that answers.
func (g Gate) Nodes(ctx context.Context) (self string, nodes []Node, err error) {
	if err := g.allow(ctx, ActionNodes, ""); err != nil {
		return "", nil, err
	}
	return g.hub.NodeID(), g.hub.Nodes(), nil
}

// Hub returns the hub behind the gate, for what needs no permission: its lifecycle.
func (g Gate) Hub() *Hub { return g.hub }

func (g Gate) allowAll(ctx context.Context, action Action, channels []string) error {
	if err := validateInterest(channels); err != nil {
		return err
	}
	for _, channel := range channels {
		if err := g.allow(ctx, action, channel); err != nil {
			return err
		}
	}
	return nil
}

func (g Gate) allow(ctx context.Context, action Action, channel string) error {
	field := "channel"
	if channel == "" {
		field = ""
	}
	if g.hub.authorizer == nil {
		return errf(CodeForbidden, field, "this server has no rule that allows %s", strings.TrimSuffix(string(action)+" on "+channel, " on "))
	}
	err := g.hub.authorizer.Authorize(ctx, Access{Action: action, Channel: channel})
	if err == nil {
		return nil
	}
	e := AsError(err)
	if e.Code == CodeForbidden || e.Code == CodeUnauthenticated {
		return err
	}
	g.hub.log.WarnContext(ctx, "the authorizer failed; access refused", "action", action, "channel", channel, "error", err)
	return &Error{Code: CodeForbidden, Field: field, Hint: "permission could not be checked", Err: err}
}
