package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/todoke-dev/todoke"
)

// The stream says in its metadata whose it is.
const (
	metaFormat = "todoke.format"
	metaSystem = "todoke.system"
	metaID     = "todoke.id" // drawn when the stream is made, so that one made anew is told apart
	format     = "1"
)

// defaultSlack is how much longer than promised the stream keeps messages, so that what a reader has lost is still known
// for a while, and so that clocks may differ.
const defaultSlack = time.Minute

// A class is what the channels of a namespace have in common.
type class struct {
	limits todoke.Retention
}

// classes knows the namespaces by the pointers that Open's function gives, and what the stream has to keep for them.
type classes struct {
	of    func(channel string) *todoke.Retention
	slack time.Duration // defaultSlack; tests have no minute

	mu    sync.Mutex
	known map[*todoke.Retention]*class
	held  struct { // of the stream, as last seen
		perChannel int64
		age        time.Duration // 0: no limit
	}
}

// classOf returns the class of a channel, after the stream was told to keep what it promises.
func (e *Engine) classOf(ctx context.Context, channel string) (*class, error) {
	retention := e.classes.of(channel)
	e.classes.mu.Lock()
	defer e.classes.mu.Unlock()
	if c := e.classes.known[retention]; c != nil {
		return c, nil
	}
	c := &class{limits: retention.WithDefaults()}
	perChannel, age := e.classes.needs(c)
	if perChannel > e.classes.held.perChannel || longer(age, e.classes.held.age) {
		if err := e.raise(ctx, perChannel, age); err != nil {
			return nil, err
		}
	}
	e.classes.known[retention] = c
	return c, nil
}

// needs is what the stream has to keep: one message more than promised, so that the newest lost one is known.
func (s *classes) needs(c *class) (perChannel int64, age time.Duration) {
	perChannel = int64(max(c.limits.Messages, 1)) + 1
	if c.limits.Age >= 0 {
		age = c.limits.Age + s.slack
	}
	return perChannel, age
}

// longer compares ages of which 0 is no limit.
func longer(a, b time.Duration) bool { return b != 0 && (a == 0 || a > b) }

// raise lifts the limits of the stream; they are never lowered, for another node may count on them. classes.mu is held.
func (e *Engine) raise(ctx context.Context, perChannel int64, age time.Duration) error {
	ctx, cancel, err := e.bounded(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	info, err := e.info(ctx)
	if err != nil {
		return e.failed(ctx, "look at the stream", err)
	}
	config := info.Config
	config.MaxMsgsPerSubject = max(config.MaxMsgsPerSubject, perChannel)
	if longer(age, config.MaxAge) {
		config.MaxAge = age
	}
	if config.MaxMsgsPerSubject != info.Config.MaxMsgsPerSubject || config.MaxAge != info.Config.MaxAge {
		e.o.Logger.Info("the stream is to keep more", "stream", config.Name, "messages_per_channel", config.MaxMsgsPerSubject, "age", config.MaxAge)
		if _, err := e.js.UpdateStream(ctx, config); err != nil {
			return e.failed(ctx, "raise the limits of the stream", err)
		}
	}
	e.classes.held.perChannel, e.classes.held.age = config.MaxMsgsPerSubject, config.MaxAge
	return nil
}

// config is the stream as the engine makes it.
func (o Options) config(perChannel int64, age time.Duration) jetstream.StreamConfig {
	config := jetstream.StreamConfig{
		Name:        o.Prefix,
		Description: "the log of todoke; made and kept by its nodes",
		Subjects:    []string{o.Prefix + channelsToken + ">", epochSubject(o.Prefix)},
		Storage:     jetstream.FileStorage, // replicated memory loses the log silently when all servers restart
		Replicas:    o.Replicas,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,

		MaxMsgsPerSubject: perChannel,
		MaxAge:            age,
		MaxBytes:          -1,
		Duplicates:        max(o.IdempotencyWindow, leastWindow),

		AllowDirect:        true,
		AllowAtomicPublish: true,
		DenyDelete:         true,
		Metadata:           map[string]string{metaFormat: format, metaSystem: o.System, metaID: nuid.Next()},
	}
	if o.MaxBytes > 0 {
		config.MaxBytes = o.MaxBytes
	}
	if age > 0 {
		config.Duplicates = min(config.Duplicates, age) // JetStream has it so
	}
	return config
}

// info asks the stream's leader.
func (e *Engine) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	text, err := e.api(ctx, "STREAM.INFO."+e.o.Prefix, nil)
	if err != nil {
		return nil, err
	}
	var answer struct {
		jetstream.StreamInfo
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, answer.Error
	}
	return &answer.StreamInfo, nil
}

// apiWait is how long one request of JetStream's API may take: a cluster without a leader is silent, and asking again helps.
const apiWait = 2 * time.Second

// api makes a request of JetStream's API.
func (e *Engine) api(ctx context.Context, what string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	answer, err := e.link.nc.RequestWithContext(ctx, "$JS.API."+what, request)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

// ensureStream makes the stream, or checks that the one that is there is ours.
func (e *Engine) ensureStream(ctx context.Context) (*jetstream.StreamInfo, error) {
	want := e.o.config(e.classes.needs(&class{limits: e.classes.of("x").WithDefaults()}))
	for {
		info, err := e.info(ctx)
		if err == nil {
			if err := e.o.ours(info.Config, want); err != nil {
				return nil, err
			}
			e.classes.mu.Lock()
			e.classes.held.perChannel, e.classes.held.age = info.Config.MaxMsgsPerSubject, info.Config.MaxAge
			e.classes.mu.Unlock()
			return info, nil
		}
		if api := (*jetstream.APIError)(nil); errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamNotFound {
			if e.data.hadStream() {
				return nil, fmt.Errorf("the files in %s are damaged: the stream %q was kept there and the server cannot read it (%s); "+
					"bring them back from a backup, or move the directory away to begin with an empty log", e.o.Dir, e.o.Prefix, e.embedded.complaints())
			}
			if err = e.makeStream(ctx, want); err == nil {
				continue
			}
		}
		if err := e.notYet(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (e *Engine) makeStream(ctx context.Context, config jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, 2*apiWait)
	defer cancel()
	_, err := e.js.CreateStream(ctx, config)
	return err
}

func (e *Engine) hasJetStream() bool {
	has, _ := e.link.nc.ConnectedServerJetStream()
	return has
}

// notYet waits a little after an error that may pass, like a cluster without a leader; it returns those that do not.
func (e *Engine) notYet(ctx context.Context, err error) error {
	var api *jetstream.APIError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("waiting for JetStream: %w (%w)", context.Cause(ctx), err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return errors.New("the NATS server has no JetStream for this account; start it with -js, or enable it in its configuration")
	case notLed(err) && !e.o.embedded() && !e.hasJetStream():
		return errors.New("the NATS server has no JetStream; start it with -js, or enable it in its configuration")
	case errors.As(err, &api):
		switch {
		case api.ErrorCode == codeSubjectOverlap:
			return fmt.Errorf("another stream has the subjects of prefix %q: %w; choose another prefix", e.o.Prefix, err)
		case (api.ErrorCode == codeNoPeers || api.ErrorCode == codeNotClustered) && !e.o.embedded():
			return fmt.Errorf("there are not enough NATS servers for %d replicas: %w", e.o.Replicas, err)
		case api.ErrorCode == jetstream.JSErrCodeStreamNameInUse, api.Code >= 500, api.ErrorCode == codeNoPeers:
		default:
			return fmt.Errorf("the stream %q: %w", e.o.Prefix, err)
		}
	}
	select {
	case <-time.After(50 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for JetStream: %w (%w)", context.Cause(ctx), err)
	}
}

// ours reports what tells that a stream is not one that this engine may use as it is. The errors say what to do.
func (o Options) ours(have, want jetstream.StreamConfig) error {
	made := have.Metadata
	bad := func(text string, args ...any) error {
		return fmt.Errorf("the stream %q on the NATS server "+text, append([]any{have.Name}, args...)...)
	}
	switch {
	case made[metaFormat] == "":
		return bad("was not made by todoke; choose another prefix")
	case made[metaFormat] != format:
		return bad("has format %s, and this version knows format %s: it was made by a newer todoke; use that one, or another prefix", made[metaFormat], format)
	case made[metaSystem] != o.System:
		return bad("belongs to the todoke system %q, and this is %q: two systems cannot share a log; choose another prefix", made[metaSystem], o.System)
	case have.Replicas != want.Replicas:
		return bad("has %d replicas, and the options ask for %d; set the options to it, or change it with: nats stream edit %s --replicas %d", have.Replicas, want.Replicas, have.Name, want.Replicas)
	case have.Duplicates != want.Duplicates && (have.MaxAge == 0 || have.Duplicates != have.MaxAge):
		return bad("remembers idempotency keys for %v, and the options ask for %v; all nodes of a system have the same", have.Duplicates, want.Duplicates)
	case have.MaxBytes != want.MaxBytes:
		return bad("has a limit of %d bytes, and the options ask for %d (-1: none); set the options to it, or change it with: nats stream edit %s --max-bytes %d", have.MaxBytes, want.MaxBytes, have.Name, want.MaxBytes)
	case !slices.Equal(have.Subjects, want.Subjects), have.Storage != want.Storage, have.Retention != want.Retention, have.Discard != want.Discard,
		!have.AllowDirect, !have.AllowAtomicPublish, have.NoAck, have.Sealed, have.MaxMsgs > 0, have.MaxMsgSize > 0, have.Mirror != nil,
		len(have.Sources) > 0, have.SubjectTransform != nil, have.DiscardNewPerSubject, have.MaxMsgsPerSubject < 1, have.PersistMode != want.PersistMode:
		return bad("was changed by somebody else and cannot keep the log as it is; give it the settings that todoke made it with, or choose another prefix")
	}
	return nil
}
