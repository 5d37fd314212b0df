package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/todoke-dev/todoke"
)

// Publish implements todoke.Engine. The whole batch is one call of a function.
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
	args := e.publishArgs(batch)
	var answer []int64
	var epoch string
	err := e.again(ctx, func() error {
		h, _ := e.known()
		epoch, args[0] = h.epoch, h.epoch
		var err error
		answer, err = e.client.Do(ctx, e.lib.call(e.client, "publish", e.key("meta"), args...)).AsIntSlice()
		return err
	})
	if err != nil {
		return e.publishFault(ctx, err)
	}
	if len(answer) < 2 {
		return e.publishFault(ctx, errMalformed)
	}
	e.acknowledge(epoch, answer, batch, results)
	return nil
}

// limits are a channel's as the functions take them; -1 is no limit. Messages -1 keeps none.
type limits struct {
	messages int
	bytes    int
	age      time.Duration
}

func limitsOf(r *todoke.Retention) limits {
	all := r.WithDefaults()
	return limits{max(all.Messages, -1), max(all.Bytes, -1), max(all.Age, -1)}
}

// appendTo adds the three arguments.
func (l limits) appendTo(args []string) []string {
	age := int64(-1)
	if l.age >= 0 {
		age = l.age.Microseconds()
	}
	return append(args, strconv.Itoa(l.messages), strconv.Itoa(l.bytes), strconv.FormatInt(age, 10))
}

// publishArgs are the arguments of the function publish; the first, the epoch, is left to be filled in.
func (e *Engine) publishArgs(batch []*todoke.Message) []string {
	window := int64(0)
	if e.options.IdempotencyWindow > 0 {
		window = e.options.IdempotencyWindow.Milliseconds()
	}
	numbers, kinds := e.limitsOf(batch)
	stride := 2
	if len(kinds) > 1 {
		stride = 4
	}
	for _, m := range batch {
		if m.IdempotencyKey != "" {
			stride = 4
			break
		}
	}
	args := make([]string, 0, 6+3*len(kinds)+stride*len(batch))
	args = append(args, "", strconv.FormatInt(window, 10), strconv.Itoa(e.options.LogMessages), strconv.Itoa(e.options.LogBytes),
		strconv.Itoa(stride), strconv.Itoa(len(kinds)))
	for _, kind := range kinds {
		args = kind.appendTo(args)
	}
	for i, m := range batch {
		args = append(args, m.Channel, rueidis.BinaryString(encode(m)))
		if stride == 4 {
			args = append(args, m.IdempotencyKey, strconv.Itoa(numbers[i]))
		}
	}
	return args
}

// limitsOf returns the different limits of the batch's channels, and for each message the number of its own, from 1.
func (e *Engine) limitsOf(batch []*todoke.Message) (numbers []int, kinds []limits) {
	numbers = make([]int, len(batch))
	found := make(map[*todoke.Retention]int, 1)
	for i, m := range batch {
		retention := e.retention(m.Channel)
		number := found[retention]
		if number == 0 {
			kinds = append(kinds, limitsOf(retention))
			number = len(kinds)
			found[retention] = number
		}
		numbers[i] = number
	}
	return numbers, kinds
}

// acknowledge fills in results from the function's answer: the head, the time, and three numbers for each duplicate.
func (e *Engine) acknowledge(epoch string, answer []int64, batch []*todoke.Message, results []todoke.Result) {
	head, now, duplicates := todoke.Offset(answer[0]), time.UnixMicro(answer[1]), answer[2:]
	offset := head - todoke.Offset(len(batch)-len(duplicates)/3)
	for i, m := range batch {
		if len(duplicates) >= 3 && duplicates[0] == int64(i+1) {
			results[i] = todoke.Result{
				Position:  todoke.Position{Epoch: epoch, Offset: todoke.Offset(duplicates[1])},
				Time:      time.UnixMicro(duplicates[2]),
				Duplicate: true,
			}
			duplicates = duplicates[3:]
			continue
		}
		offset++
		m.Position, m.Time, m.IdempotencyKey = todoke.Position{Epoch: epoch, Offset: offset}, now, ""
		results[i] = todoke.Result{Position: m.Position, Time: now}
	}
	e.saw(epoch, head)
}
