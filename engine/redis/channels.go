package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// listed is how many channels one command lists.
const listed = 10_000

// Channels implements todoke.Engine. It walks the channels by the offset of their newest message, from after on: what a reader who
// was away for a moment costs is what happened in that moment. A channel may still be given for a while when its messages
// have expired.
func (e *Engine) Channels(ctx context.Context, pattern string, after todoke.Offset) ([]string, todoke.Offset, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", pattern, err)
	}
	if err := e.usable(); err != nil {
		return nil, 0, err
	}
	var found []string
	var lost todoke.Offset
	err := e.bounded(ctx, func() (err error) {
		if found, err = e.list(ctx, pattern, after); err != nil {
			return err
		}
		// Last: a channel whose state is dropped meanwhile is told by the horizon.
		lost, err = e.lostSince(ctx, pattern, after)
		return err
	})
	if err != nil {
		return nil, 0, e.fault(ctx, "list "+pattern, err)
	}
	return found, lost, nil
}

// list walks up. A channel that gets a message meanwhile moves up too, and is met again: none that stays is left out.
func (e *Engine) list(ctx context.Context, pattern string, after todoke.Offset) (found []string, err error) {
	if !todoke.IsPattern(pattern) {
		newest, err := e.client.Do(ctx, e.client.B().Zscore().Key(e.key("index")).Member(pattern).Build()).AsFloat64()
		if err == nil && todoke.Offset(newest) > after {
			found = append(found, pattern)
		}
		if rueidis.IsRedisNil(err) {
			err = nil
		}
		return found, err
	}
	seen := map[string]bool{}
	for {
		page, err := e.client.Do(ctx, e.client.B().Zrange().Key(e.key("index")).Min("("+strconv.FormatUint(uint64(after), 10)).Max("+inf").Byscore().
			Limit(0, listed).Withscores().Build()).AsZScores()
		if err != nil {
			return nil, err
		}
		for _, channel := range page {
			after = todoke.Offset(channel.Score) // no two channels have the same
			if todoke.MatchPattern(pattern, channel.Member) && !seen[channel.Member] {
				seen[channel.Member] = true
				found = append(found, channel.Member)
			}
		}
		if len(page) < listed {
			return found, nil
		}
	}
}

// lostSince is the horizon of the namespaces that the pattern reaches, or 0 if it is not beyond after.
func (e *Engine) lostSince(ctx context.Context, pattern string, after todoke.Offset) (todoke.Offset, error) {
	_, answers, err := e.glance(ctx, e.client, "", e.client.B().Hgetall().Key(e.key("horizon")).Build())
	if err != nil {
		return 0, err
	}
	horizons, err := answers[0].AsIntMap()
	if err != nil {
		return 0, err
	}
	lost := todoke.Offset(0)
	for namespace, horizon := range horizons {
		// "*" is for all namespaces that have none of their own.
		if namespace == "*" || reaches(pattern, namespace) {
			lost = max(lost, todoke.Offset(horizon))
		}
	}
	if lost <= after {
		return 0, nil
	}
	return lost, nil
}

// reaches reports whether a pattern can take in a channel of a namespace; "" is that of channels without one.
func reaches(pattern, namespace string) bool {
	first, _, several := strings.Cut(pattern, ":")
	switch {
	case first == "**":
		return true
	case !several:
		return namespace == ""
	}
	return namespace != "" && (first == "*" || first == namespace)
}
