package framing

// An Op says what a frame is (RFC 6455 §5.2).
type Op byte

// The kinds of frames. A frame of a message that goes on has opcode 0, which is no event's.
const (
	Text   Op = 0x1
	Binary Op = 0x2
	Close  Op = 0x8
	Ping   Op = 0x9
	Pong   Op = 0xA

	continuation Op = 0x0
)

const (
	finBit      = 0x80
	reservedBit = 0x70
	maskBit     = 0x80

	length16 = 126 // this length says that two bytes with the length follow
	length64 = 127 // … eight bytes

	// mostControl is how long the payload of a control frame may be (§5.5), and mostReason what a close's code leaves of it.
	mostControl = 125
	mostReason  = mostControl - 2
)

// control reports whether the frame is a control frame, which stands alone and may come between others' fragments (§5.5).
func (op Op) control() bool { return op&0x8 != 0 }

// Codes for a close frame (RFC 6455 §7.4.1, and IANA's registry for those after 1011).
const (
	CodeNormal          uint16 = 1000
	CodeGoingAway       uint16 = 1001
	CodeProtocolError   uint16 = 1002
	CodeInvalidPayload  uint16 = 1007
	CodePolicyViolation uint16 = 1008
	CodeTooBig          uint16 = 1009
	CodeInternalError   uint16 = 1011
	CodeServiceRestart  uint16 = 1012
	CodeTryAgainLater   uint16 = 1013
)

// mayStand reports whether a close frame may have the code. 1004, 1005, 1006 and 1015 never stand in one (§7.4.1), those under 1000
// are not used, and those up to 2999 belong to the RFC's successors and to extensions (§7.4.2).
func mayStand(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}

// An Error is a fault of the peer's, which ends the connection.
type Error struct {
	Code   uint16 // for the close frame
	Reason string // for a person, and the close frame: at most 123 bytes
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// The faults. Sections are RFC 6455's.
var (
	errReserved      = &Error{CodeProtocolError, "a reserved bit is set, and no extension was agreed on"}    // §5.2
	errOpcode        = &Error{CodeProtocolError, "the opcode has no meaning"}                                // §5.2
	errMask          = &Error{CodeProtocolError, "a client's frame without a mask"}                          // §5.1
	errLength        = &Error{CodeProtocolError, "the length of the frame takes more bytes than it needs"}   // §5.2
	errLengthBit     = &Error{CodeProtocolError, "the highest bit of the frame's length is set"}             // §5.2
	errControlLength = &Error{CodeProtocolError, "a control frame of more than 125 bytes"}                   // §5.5
	errControlCut    = &Error{CodeProtocolError, "a control frame in fragments"}                             // §5.5
	errNoMessage     = &Error{CodeProtocolError, "a continuation of a message that was not begun"}           // §5.4
	errInMessage     = &Error{CodeProtocolError, "a new message before the last fragment of the one before"} // §5.4
	errCloseLength   = &Error{CodeProtocolError, "a close of one byte; its code has two"}                    // §5.5.1
	errCloseCode     = &Error{CodeProtocolError, "the code of the close may not stand in a frame"}           // §7.4
	errCloseReason   = &Error{CodeInvalidPayload, "the reason of the close is not UTF-8"}                    // §5.5.1
	errText          = &Error{CodeInvalidPayload, "the text is not UTF-8"}                                   // §8.1
	errTooBig        = &Error{CodeTooBig, "the message is over the limit"}                                   // §7.4.1
	errReceiveOnly   = &Error{CodePolicyViolation, "this stream only sends; use a session to talk"}          // §7.4.1
)
