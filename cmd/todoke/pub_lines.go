package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/todoke-dev/todoke"
)

const (
	maxInput   = 64 << 20  // of one message
	batchLines = 100       // lines that go out together when they are there already
	batchBytes = 256 << 10 // and so many bytes, or one line
)

// A lineReader reads lines on a goroutine of its own, so that those that are there already go out together and none waits for
// the next. The goroutine ends with the input or with ctx; a read of a terminal that nobody types at holds it
// until the process ends.
type lineReader struct {
	lines  chan []byte
	failed error // why lines was closed; nil at the end of the input
}

func readLines(ctx context.Context, input io.Reader) *lineReader {
	r := &lineReader{lines: make(chan []byte, batchLines)}
	go func() {
		defer close(r.lines)
		scanner := bufio.NewScanner(input)
		scanner.Buffer(make([]byte, 0, 64<<10), maxInput)
		for scanner.Scan() {
			select {
			case r.lines <- append([]byte(nil), scanner.Bytes()...):
			case <-ctx.Done():
				r.failed = context.Cause(ctx)
				return
			}
		}
		r.failed = scanner.Err()
	}()
	return r
}

// next waits for a line and returns it with those that are there already; none at the end.
func (r *lineReader) next(ctx context.Context) ([][]byte, error) {
	var batch [][]byte
	select {
	case line, ok := <-r.lines:
		if !ok {
			return nil, r.failed
		}
		batch = append(batch, line)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for size := len(batch[0]); len(batch) < batchLines && size < batchBytes; {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return batch, nil // the next call tells the end
			}
			batch = append(batch, line)
			size += len(line)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// publishLines publishes each line. size is that of the input, 0 if it is not known.
func (p *pub) publishLines(ctx context.Context, to publisher, input io.Reader, size int64) error {
	lines := readLines(ctx, input)
	bar := newProgress(p.t.err, size)
	defer bar.clear()
	for published := 0; ; {
		batch, err := lines.next(ctx)
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("line %d is over %d MiB", published+1, maxInput>>20)
		}
		if err != nil {
			return fmt.Errorf("after %d lines: %w", published, err)
		}
		if len(batch) == 0 {
			return nil
		}
		messages := make([]todoke.Message, len(batch))
		for i, line := range batch {
			messages[i] = p.message
			messages[i].Data = line
			if p.message.IdempotencyKey != "" {
				messages[i].IdempotencyKey = p.message.IdempotencyKey + "-" + strconv.Itoa(published+i+1)
			}
			bar.add(len(line) + 1)
		}
		results, err := to.publish(ctx, messages)
		bar.clear()
		if printed := p.print(results); printed != nil {
			return printed
		}
		published += len(results)
		if err != nil {
			return fmt.Errorf("after %d lines: %w", published, err)
		}
		bar.draw()
	}
}
