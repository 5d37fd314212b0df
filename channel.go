package todoke

import (
	"strings"
)

// MaxChannelBytes is the longest channel name or pattern.
const MaxChannelBytes = 255

// ValidateChannel reports what is wrong with name as a channel, as an *Error with
// CodeInvalidChannel, or nil. A channel is made of segments of [A-Za-z0-9_.~@=-] joined by
// ':', none empty and none beginning with '.'; so it stands in a URL's path or query as it is
// (RFC 3986 §3.3).
func ValidateChannel(name string) error { return validateName(name, false) }

// ValidatePattern is like ValidateChannel for a channel or a pattern: a whole segment may also
// be "*", one segment, and the last may be "**", one or more.
func ValidatePattern(pattern string) error { return validateName(pattern, true) }

// IsPattern reports whether name has a wildcard. It does not validate.
func IsPattern(name string) bool { return strings.IndexByte(name, '*') >= 0 }

// NamespaceOf returns the part of a channel or pattern before the first ':', which names the
// namespace that holds its options. A name without ':' is in the default namespace, "".
func NamespaceOf(name string) string {
	ns, _, found := strings.Cut(name, ":")
	if !found {
		return ""
	}
	return ns
}

func validateName(name string, wild bool) error {
	if name == "" {
		return errf(CodeInvalidChannel, "channel", "the name is empty; write something like news or chat:42")
	}
	if len(name) > MaxChannelBytes {
		return errf(CodeInvalidChannel, "channel", "the name has %d bytes; at most %d are allowed", len(name), MaxChannelBytes)
	}
	start, number := 0, 1
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != ':' {
			continue
		}
		if err := validateSegment(name[start:i], number, i == len(name), wild); err != nil {
			return err
		}
		start, number = i+1, number+1
	}
	return nil
}

func validateSegment(segment string, number int, last, wild bool) error {
	switch {
	case segment == "":
		return errf(CodeInvalidChannel, "channel", "segment %d is empty; write a:b, not a::b, :a or a:", number)
	case segment[0] == '.':
		return errf(CodeInvalidChannel, "channel", "segment %d begins with '.'", number)
	case strings.IndexByte(segment, '*') >= 0:
		if !wild {
			return errf(CodeInvalidChannel, "channel", "segment %d has a '*': a pattern can be read, not published to", number)
		}
		if segment == "*" || segment == "**" && last {
			return nil
		}
		return errf(CodeInvalidChannel, "channel", "segment %d: '*' stands for a whole segment, and '**' only at the end", number)
	}
	for i := 0; i < len(segment); i++ {
		if !channelByte[segment[i]] {
			return errf(CodeInvalidChannel, "channel", "segment %d has %q; allowed are A-Z a-z 0-9 _ . ~ @ = - and ':' between segments", number, segment[i:i+1])
		}
	}
	return nil
}

var channelByte = func() (ok [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~@=-") {
		ok[c] = true
	}
	return ok
}()

// MatchPattern reports whether a valid pattern (or channel) takes in the valid channel.
func MatchPattern(pattern, channel string) bool {
	for {
		p, pRest, pMore := strings.Cut(pattern, ":")
		c, cRest, cMore := strings.Cut(channel, ":")
		if p == "**" {
			return true
		}
		if p != "*" && p != c {
			return false
		}
		if !pMore || !cMore {
			return pMore == cMore
		}
		pattern, channel = pRest, cRest
	}
}

// PatternsOverlap reports whether some channel is taken in by both of two valid patterns.
func PatternsOverlap(a, b string) bool {
	for {
		as, aRest, aMore := strings.Cut(a, ":")
		bs, bRest, bMore := strings.Cut(b, ":")
		if as == "**" || bs == "**" {
			return true
		}
		if as != bs && as != "*" && bs != "*" {
			return false
		}
		if !aMore || !bMore {
			return aMore == bMore
		}
		a, b = aRest, bRest
	}
}

// PatternCovers reports whether every channel that the valid pattern inner takes in is taken in by
// outer too. It is what a right given for outer means for a request of inner.
func PatternCovers(outer, inner string) bool {
	for {
		o, oRest, oMore := strings.Cut(outer, ":")
		i, iRest, iMore := strings.Cut(inner, ":")
		switch {
		case o == "**":
			return true
		case i == "**", o != "*" && o != i:
			return false
		}
		if !oMore || !iMore {
			return oMore == iMore
		}
		outer, inner = oRest, iRest
	}
}
