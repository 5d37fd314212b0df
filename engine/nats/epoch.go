package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/todoke-dev/todoke"
)

// An epochRecord is a message of the log that names the history from its offset on. The newest one counts.
type epochRecord struct {
	Epoch string `json:"epoch"`
	// Stream is the identity of the stream that it was written to: a log that was copied elsewhere is not the same.
	Stream string `json:"stream"`
	Why    string `json:"why"`

	at   todoke.Offset
	time time.Time
}

// newEpoch returns eight random letters and digits: 40 bits, so that no two histories of one system meet.
func newEpoch() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b[:])
}

// A leaderMessage is what the stream's leader answers: slower than a direct get, and never stale.
type leaderMessage struct {
	Subject string    `json:"subject"`
	Seq     uint64    `json:"seq"`
	Data    []byte    `json:"data"`
	Time    time.Time `json:"time"`
}

// askLeader returns the message that a request means, nil if there is none.
func (e *Engine) askLeader(ctx context.Context, request string) (*leaderMessage, error) {
	text, err := e.api(ctx, "STREAM.MSG.GET."+e.o.Prefix, []byte(request))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *leaderMessage      `json:"message"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, nil
		}
		return nil, answer.Error
	}
	return answer.Message, nil
}

// leaderNext returns the offset of the first message from an offset on, 0 if there is none.
func (e *Engine) leaderNext(ctx context.Context, from todoke.Offset) (todoke.Offset, error) {
	m, err := e.askLeader(ctx, fmt.Sprintf(`{"seq":%d,"next_by_subj":">"}`, from))
	if m == nil {
		return 0, err
	}
	return todoke.Offset(m.Seq), nil
}

// lastRecord returns the newest epoch record; nil if there is none.
func (e *Engine) lastRecord(ctx context.Context) (*epochRecord, error) {
	m, err := e.askLeader(ctx, fmt.Sprintf(`{"last_by_subj":%q}`, epochSubject(e.o.Prefix)))
	if m == nil {
		return nil, err
	}
	return readRecord(m.Data, todoke.Offset(m.Seq), m.Time)
}

func readRecord(data []byte, at todoke.Offset, t time.Time) (*epochRecord, error) {
	r := &epochRecord{at: at, time: t}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("the epoch record at %d cannot be read: %w", at, err)
	}
	if p, err := todoke.ParsePosition(r.Epoch + "-0"); err != nil || p.Epoch != r.Epoch {
		return nil, fmt.Errorf("the epoch record at %d names no epoch: %q", at, r.Epoch)
	}
	return r, nil
}

// errRaced: another node wrote an epoch record first.
var errRaced = errors.New("another node wrote an epoch record at the same time")

// putRecord writes a record, unless another was written after the one at offset after (0: there was none).
func (e *Engine) putRecord(ctx context.Context, r epochRecord, after todoke.Offset) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: epochSubject(e.o.Prefix), Data: data}
	setHeader(m, headerExpectSubjectSeq, strconv.FormatUint(uint64(after), 10))
	setHeader(m, headerExpectStream, e.o.Prefix)
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	_, err = e.js.PublishMsg(ctx, m)
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return errRaced
	}
	return err
}

// A history is what verify found: the epoch that counts, where it began, and how far the log goes.
type history struct {
	record epochRecord
	first  todoke.Offset // of the stream
	last   todoke.Offset
}

// verify looks at the log and sees to it that its newest epoch record is right: known is the epoch that this node follows ("": it
// has just started), seen how far it has followed it. A log that is not the continuation of that gets a new epoch.
func (e *Engine) verify(ctx context.Context, known string, seen todoke.Offset, doubt string) (history, error) {
	for {
		info, err := e.ensureStream(ctx)
		if err != nil {
			return history{}, err
		}
		r, err := e.lastRecord(ctx)
		if err != nil {
			if err := e.notYet(ctx, err); err != nil {
				return history{}, err
			}
			continue
		}
		h := history{first: todoke.Offset(info.State.FirstSeq), last: todoke.Offset(info.State.LastSeq)}
		next := e.judge(r, info, known, seen, doubt)
		if next == nil {
			h.record = *r
			h.last = max(h.last, r.at) // it may have been written between the two questions
			return h, nil
		}
		after := todoke.Offset(0)
		if r != nil {
			after = r.at
		}
		if next.Epoch != known {
			e.o.Logger.Warn("the log gets a new epoch", "epoch", next.Epoch, "why", next.Why, "stream", e.o.Prefix)
		}
		switch err := e.putRecord(ctx, *next, after); {
		case err == nil:
			doubt = ""
		case errors.Is(err, errRaced):
			// The other's record is looked at like any other: it may settle the doubt, or not.
			if r, again := e.lastRecord(ctx); again == nil && r != nil && r.at > after && r.Epoch != known {
				doubt = ""
			}
		default:
			if err := e.notYet(ctx, err); err != nil {
				return history{}, err
			}
		}
	}
}

// judge returns the record that the log needs, or nil when r is right.
func (e *Engine) judge(r *epochRecord, info *jetstream.StreamInfo, known string, seen todoke.Offset, doubt string) *epochRecord {
	id := info.Config.Metadata[metaID]
	fresh := func(why string) *epochRecord { return &epochRecord{Epoch: newEpoch(), Stream: id, Why: why} }
	last := todoke.Offset(info.State.LastSeq)
	switch {
	case r == nil && last == 0:
		return fresh("a new log")
	case r == nil && known != "" && last >= seen && id == e.streamID():
		return &epochRecord{Epoch: known, Stream: id, Why: "the record was deleted"} // purged, or over MaxBytes
	case r == nil:
		return fresh("the log has no epoch record")
	case r.Stream != id:
		return fresh("the log was copied from another stream")
	case doubt != "":
		return fresh(doubt)
	case known == "" || r.Epoch != known:
		return nil
	case last < seen:
		return fresh(fmt.Sprintf("the log ends at %d, and this node has seen %d", last, seen))
	}
	return nil
}

// fades reports whether the record is to be written again before the stream lets go of it.
func (h history) fades(config jetstream.StreamConfig, now time.Time) bool {
	if config.MaxAge > 0 && now.Sub(h.record.time) > config.MaxAge/2 {
		return true
	}
	return config.MaxBytes > 0 && h.record.at < h.first+(h.last-h.first)/2
}
