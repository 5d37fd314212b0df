package nats

import "strings"

// Channels are the stream's subjects under <prefix>.c. Segments become tokens: ':' is written '.', and a '.' within a segment
// '%', which no channel has. So nothing meets and nothing is lost, and a pattern is a filter of NATS: * is one token,
// ** at the end is >.
var (
	toSubject = strings.NewReplacer(":", ".", ".", "%")
	toChannel = strings.NewReplacer(".", ":", "%", ".")
)

const channelsToken = ".c."

// subjectOf returns the subject of a valid channel, or the filter of a valid pattern.
func subjectOf(prefix, channel string) string {
	s := prefix + channelsToken + toSubject.Replace(channel)
	if rest, all := strings.CutSuffix(s, "**"); all {
		return rest + ">"
	}
	return s
}

// channelOf returns the channel of a subject; ok is false when the subject is none of a channel.
func channelOf(prefix, subject string) (channel string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefix)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutPrefix(rest, channelsToken); !ok {
		return "", false
	}
	return toChannel.Replace(rest), true
}

// epochSubject is where epoch records are.
func epochSubject(prefix string) string { return prefix + ".epoch" }
