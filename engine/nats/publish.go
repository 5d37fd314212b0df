package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/todoke-dev/todoke"
)

// An ack is the stream's answer to a publish.
type ack struct {
	Stream    string              `json:"stream"`
	Seq       uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Count     int                 `json:"count"` // of a batch; Seq is its last
	Error     *jetstream.APIError `json:"error"`
}

// A letter is one message of a batch on its way.
type letter struct {
	wire   *nats.Msg
	id     string // message id, "" without a key
	result todoke.Result
	same   int // the letter of the batch that has the same id and comes first; -1: none
}

// Publish implements todoke.Engine.
func (e *Engine) Publish(ctx context.Context, batch []*todoke.Message, results []todoke.Result) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := e.usable(); err != nil {
		return err
	}
	if len(batch) == 0 {
		return nil
	}
	letters, err := e.letters(ctx, batch)
	if err != nil {
		return err
	}
	bound, cancel, err := e.bounded(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	before := e.stand()
	if len(letters) == 1 {
		err = e.publishOne(bound, &letters[0])
	} else {
		err = e.publishAll(bound, letters)
	}
	if err != nil {
		return e.refused(ctx, bound, err)
	}
	return e.settle(ctx, bound, before, letters, batch, results)
}

// stand is where the view is: the epoch and its head.
func (e *Engine) stand() (s standing) {
	e.view.mu.Lock()
	defer e.view.mu.Unlock()
	return standing{e.view.generation, e.view.ring.head()}
}

type standing struct {
	generation int
	head       todoke.Offset
}

// letters encodes a batch and checks what the server would refuse, for a batch must not be refused in its midst.
func (e *Engine) letters(ctx context.Context, batch []*todoke.Message) ([]letter, error) {
	letters := make([]letter, len(batch))
	var first map[string]int
	for i, m := range batch {
		if _, err := e.classOf(ctx, m.Channel); err != nil {
			return nil, err
		}
		wire, err := e.encode(m)
		if err != nil {
			return nil, fmt.Errorf("encode a message: %w", err)
		}
		total, headers := wireSize(wire)
		if most := e.link.nc.MaxPayload(); int64(total) > most || headers > mostHeaderBytesOfServer {
			return nil, &todoke.Error{Code: todoke.CodeTooLarge, Field: "data",
				Hint: fmt.Sprintf("the message takes about %d bytes, and the NATS server takes at most %d", total, most)}
		}
		letters[i] = letter{wire: wire, id: get(wire.Header, headerMsgID), same: -1}
		if id := letters[i].id; id != "" && len(batch) > 1 {
			if first == nil {
				first = make(map[string]int)
			}
			if at, seen := first[id]; seen {
				letters[i].same = at
			} else {
				first[id] = i
			}
		}
	}
	return letters, nil
}

// A refusal is an error after which nothing was appended.
type refusal struct{ cause error }

func (r refusal) Error() string { return r.cause.Error() }
func (r refusal) Unwrap() error { return r.cause }

// refused makes the error of a publish that failed.
func (e *Engine) refused(ctx, bound context.Context, err error) error {
	var r refusal
	switch {
	case !errors.As(err, &r):
		if bound.Err() != nil {
			err = context.Cause(bound)
		}
		return e.outcome(ctx, err)
	case ctx.Err() != nil:
		return fmt.Errorf("publish: %w (%w)", context.Cause(ctx), r.cause)
	case e.life.Err() != nil:
		return errClosed()
	}
	if _, ok := errors.AsType[*todoke.Error](r.cause); ok {
		return r.cause
	}
	return unavailable(r.cause)
}

// publishOne sends one message and waits for the answer.
func (e *Engine) publishOne(ctx context.Context, l *letter) error {
	for {
		a, err := e.send(ctx, l.wire)
		if err == nil {
			l.result.Position.Offset, l.result.Duplicate = todoke.Offset(a.Seq), a.Duplicate
			return nil
		}
		if !passing(err) {
			return err
		}
		if pause(ctx, 5*time.Millisecond) != nil {
			return err
		}
	}
}

// passing reports whether a refusal may pass in a moment: the stream changes its leader, the first message with the same id is being
// written, or there are too many batches at once.
func passing(err error) bool {
	var r refusal
	if !errors.As(err, &r) {
		return false
	}
	if errors.Is(r.cause, nats.ErrNoResponders) {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](r.cause)
	return ok && (api.ErrorCode == codeDuplicateInProcess || api.ErrorCode == codeBatchTooMany || api.ErrorCode == codeBatchIncomplete || api.ErrorCode == codeNotLeader)
}

// send makes one request of the stream. An error that is a refusal says that nothing was appended; after any other that is not known.
func (e *Engine) send(ctx context.Context, m *nats.Msg) (a ack, err error) {
	answer, err := e.link.nc.RequestMsgWithContext(ctx, m)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrInvalidConnection):
		return a, refusal{err} // nobody took it in, or it was not sent
	case err != nil:
		return a, err
	}
	if err := json.Unmarshal(answer.Data, &a); err != nil {
		return a, fmt.Errorf("the stream's answer cannot be read: %w", err)
	}
	switch {
	case a.Error != nil:
		return a, refusal{a.Error}
	case a.Stream != e.o.Prefix || a.Seq == 0:
		return a, fmt.Errorf("the answer is not the stream's: %q", answer.Data)
	}
	return a, nil
}

// publishAll appends a batch, all of it or nothing. A batch with a message id that was used is refused by JetStream as a whole; then
// the duplicates are found and left out.
func (e *Engine) publishAll(ctx context.Context, letters []letter) error {
	select {
	case e.batches <- struct{}{}: // JetStream takes 50 at a time of all nodes together
		defer func() { <-e.batches }()
	case <-ctx.Done():
		return refusal{context.Cause(ctx)}
	}
	for {
		var left []*letter
		for i := range letters {
			if l := &letters[i]; l.same < 0 && !l.result.Duplicate {
				left = append(left, l)
			}
		}
		var err error
		switch len(left) {
		case 0:
		case 1:
			for _, name := range []string{headerBatchID, headerBatchSeq, headerCommit} {
				delete(left[0].wire.Header, name) // of a batch that was refused
			}
			err = e.publishOne(ctx, left[0])
		default:
			err = e.sendBatch(ctx, left)
		}
		if err == nil {
			break
		}
		api, _ := errors.AsType[*jetstream.APIError](err)
		switch {
		case api != nil && api.ErrorCode == codeBatchDuplicate:
			if err := e.findDuplicates(ctx, left); err != nil {
				return refusal{err}
			}
		case !passing(err):
			return err
		case pause(ctx, 5*time.Millisecond) != nil:
			return err
		}
	}
	for i := range letters {
		if l := &letters[i]; l.same >= 0 {
			l.result = letters[l.same].result
			l.result.Duplicate = true
		}
	}
	return nil
}

// sendBatch makes an atomic batch of JetStream: it keeps all messages apart until the last one commits them.
func (e *Engine) sendBatch(ctx context.Context, letters []*letter) error {
	id := nuid.Next()
	last := len(letters) - 1
	for i, l := range letters {
		setHeader(l.wire, headerBatchID, id)
		setHeader(l.wire, headerBatchSeq, strconv.Itoa(i+1))
		delete(l.wire.Header, headerCommit)
		if i == last {
			setHeader(l.wire, headerCommit, "1")
			break
		}
		if err := e.link.nc.PublishMsg(l.wire); err != nil {
			return refusal{err} // it was not committed
		}
	}
	a, err := e.send(ctx, letters[last].wire)
	if err != nil {
		return err
	}
	if a.Count != len(letters) {
		return fmt.Errorf("the stream took %d messages of a batch of %d", a.Count, len(letters))
	}
	for i, l := range letters {
		l.result.Position.Offset = todoke.Offset(a.Seq) - todoke.Offset(last-i)
	}
	return nil
}

// findDuplicates asks for each message id whether it was used, by a publish that can only be refused or be a duplicate: the
// server looks at the id first and then finds a condition that no stream meets.
func (e *Engine) findDuplicates(ctx context.Context, letters []*letter) error {
	condition, value := headerExpectLastMsgID, "none/"
	if e.replicas() > 1 {
		// Replicated streams look at this one only after a majority agreed on the message, and at the other one before; one server
		// alone looks at the other one before the id.
		condition, value = headerExpectLastSeq, strconv.FormatUint(1<<62, 10)
	}
	for _, l := range letters {
		if l.id == "" {
			continue
		}
		probe := &nats.Msg{Subject: l.wire.Subject, Header: nats.Header{headerMsgID: {l.id}, condition: {value}}}
		for {
			a, err := e.send(ctx, probe)
			if err == nil && a.Duplicate {
				l.result.Position.Offset, l.result.Duplicate = todoke.Offset(a.Seq), true
				break
			}
			if err == nil {
				return fmt.Errorf("a message that asks for the impossible was appended at %d", a.Seq)
			}
			api, ok := errors.AsType[*jetstream.APIError](err)
			if ok && (api.ErrorCode == codeWrongLastMsgID || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence) {
				break // not used
			}
			if !passing(err) {
				return err
			}
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle waits until this node has followed the log to what was appended: then it is visible, its time is known, and the epoch is
// the one that it is in.
func (e *Engine) settle(ctx, bound context.Context, before standing, letters []letter, batch []*todoke.Message, results []todoke.Result) error {
	var last todoke.Offset
	for i := range letters {
		r := &letters[i].result
		if !r.Duplicate && r.Position.Offset <= before.head && e.stand().generation == before.generation {
			e.reverify()
			return unknown(fmt.Errorf("a message got offset %d, and the log went up to %d before: it is no longer the same", r.Position.Offset, before.head))
		}
		last = max(last, r.Position.Offset)
	}
	if err := e.reach(bound, last); err != nil {
		return e.outcome(ctx, err)
	}
	v := &e.view
	v.mu.Lock()
	if v.generation != before.generation && last <= v.began {
		v.mu.Unlock()
		return unknown(errAdopted)
	}
	epoch := v.epoch
	var missing []*letter
	for i := range letters {
		r := &letters[i].result
		r.Position.Epoch = epoch
		var ok bool
		if r.Time, ok = v.clock.at(r.Position.Offset); !ok {
			missing = append(missing, &letters[i])
		}
	}
	v.mu.Unlock()
	for _, l := range missing {
		// The first one of an old duplicate. When even that is no longer stored, the next message's time is as near as can be.
		s, err := e.getter.following(bound, ">", l.result.Position.Offset)
		if err != nil {
			return e.outcome(ctx, err)
		}
		l.result.Time = s.time
	}
	for i, m := range batch {
		results[i] = letters[i].result
		m.Position, m.Time, m.IdempotencyKey = results[i].Position, results[i].Time, ""
	}
	return nil
}

// reverify has the follower look at the log again.
func (e *Engine) reverify() {
	e.view.mu.Lock()
	defer e.view.mu.Unlock()
	if e.view.restart != nil {
		e.view.restart()
	}
}
