package todoke

// A Gap is the notice that messages which a reader lacks are no longer retained: those of Channel from From to
// To, both included. It comes before what is left.
type Gap struct {
	// Channel is the channel, or the pattern as the reader gave it where the channels are not known.
	Channel string
	// From and To are positions of the log. From is of another epoch when the reader came with such a position.
	From, To Position
	// Possible is true when it is not known whether the channel had messages there.
	Possible bool
}
