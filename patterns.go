package todoke

import "strings"

// A patternIndex finds the subscriptions whose patterns take in a channel, in time that hangs on the
// channel's segments and not on the number of patterns. The zero value is empty. Guarded by Hub.mu.
type patternIndex struct {
	root  patternNode
	count int
}

type patternNode struct {
	children map[string]*patternNode
	here     map[*Subscription]int // patterns that end at this segment
	below    map[*Subscription]int // patterns that go on with "**"
}

func (x *patternIndex) empty() bool { return x.count == 0 }

func (x *patternIndex) add(pattern string, s *Subscription) {
	n := &x.root
	for segment := range strings.SplitSeq(pattern, ":") {
		if segment == "**" {
			n.below = counted(n.below, s)
			x.count++
			return
		}
		child := n.children[segment]
		if child == nil {
			if n.children == nil {
				n.children = make(map[string]*patternNode)
			}
			child = new(patternNode)
			n.children[segment] = child
		}
		n = child
	}
	n.here = counted(n.here, s)
	x.count++
}

func counted(set map[*Subscription]int, s *Subscription) map[*Subscription]int {
	if set == nil {
		set = make(map[*Subscription]int)
	}
	set[s]++
	return set
}

func (x *patternIndex) remove(pattern string, s *Subscription) {
	if x.root.remove(strings.Split(pattern, ":"), s) {
		x.count--
	}
}

// remove takes one use of the pattern out and prunes what becomes empty.
func (n *patternNode) remove(segments []string, s *Subscription) bool {
	if len(segments) == 0 {
		return uncounted(n.here, s)
	}
	if segments[0] == "**" {
		return uncounted(n.below, s)
	}
	child := n.children[segments[0]]
	if child == nil || !child.remove(segments[1:], s) {
		return false
	}
	if len(child.children) == 0 && len(child.here) == 0 && len(child.below) == 0 {
		delete(n.children, segments[0])
	}
	return true
}

func uncounted(set map[*Subscription]int, s *Subscription) bool {
	if set[s] == 0 {
		return false
	}
	if set[s]--; set[s] == 0 {
		delete(set, s)
	}
	return true
}

// match calls found for each subscription with a pattern that takes in the channel; for one with several, more than once.
func (x *patternIndex) match(channel string, found func(*Subscription)) {
	x.root.match(channel, true, found)
}

func (n *patternNode) match(rest string, more bool, found func(*Subscription)) {
	if !more {
		for s := range n.here {
			found(s)
		}
		return
	}
	for s := range n.below {
		found(s)
	}
	if len(n.children) == 0 {
		return
	}
	segment, rest, more := strings.Cut(rest, ":")
	if child := n.children[segment]; child != nil {
		child.match(rest, more, found)
	}
	if child := n.children["*"]; child != nil {
		child.match(rest, more, found)
	}
}
