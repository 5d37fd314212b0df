package redis

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/todoke-dev/todoke"
)

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

// kinds numbers the limits that the channels of one call have.
type kinds struct {
	retention func(string) *todoke.Retention
	numbers   map[*todoke.Retention]int
	all       []limits
}

func newKinds(retention func(string) *todoke.Retention) *kinds {
	return &kinds{retention: retention, numbers: make(map[*todoke.Retention]int, 1)}
}

// number returns the number of a channel's limits, from 1.
func (k *kinds) number(channel string) int {
	r := k.retention(channel)
	n := k.numbers[r]
	if n == 0 {
		k.all = append(k.all, limitsOf(r))
		n = len(k.all)
		k.numbers[r] = n
	}
	return n
}

// appendTo adds how many there are, and three arguments for each.
func (k *kinds) appendTo(args []string) []string {
	args = append(args, strconv.Itoa(len(k.all)))
	for _, l := range k.all {
		age := int64(-1)
		if l.age >= 0 {
			age = l.age.Microseconds()
		}
		args = append(args, strconv.Itoa(l.messages), strconv.Itoa(l.bytes), strconv.FormatInt(age, 10))
	}
	return args
}

// numbers packs what read_sections in library.lua unpacks.
func (g group) numbers(kind int) string {
	b := make([]byte, 0, 20)
	b = binary.LittleEndian.AppendUint32(b, uint32(g.count))
	b = binary.LittleEndian.AppendUint32(b, uint32(g.back))
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(g.ttl.Nanoseconds())/1000))
	return string(b)
}
