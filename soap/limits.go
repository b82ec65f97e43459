package soap

import "math"

// Defaults of Limits.
const (
	// defaultBytes leaves room for a list of several thousand orders and is still read in memory at once.
	defaultBytes = 4 << 20
	// defaultDepth is thrice what the deepest known message needs. Namespace look-ups and
	// recursion in the tree cost at most this much a node.
	defaultDepth = 64
	// defaultNodes bounds the tree's memory to some tens of megabytes: a node costs up to 200 bytes,
	// whatever its few bytes on the wire.
	defaultNodes = 200_000
	// defaultAttributes is far above what any toolkit declares on an Envelope. It bounds the search for
	// duplicates and the look-up of a prefix.
	defaultAttributes = 64
	// defaultAttachmentBytes is a few scanned documents. Callers that send at the same time each fill so much of the disk.
	defaultAttachmentBytes = 64 << 20
	// defaultAttachments bounds the memory for their headers; one a document is what is usual.
	defaultAttachments = 100
)

// Limits bound what is read from outside. A field that is not positive means the default.
type Limits struct {
	Bytes      int64 // of the SOAP message, attachments apart
	Depth      int   // of nested elements
	Nodes      int   // elements, attributes, texts and comments together
	Attributes int   // of one element, namespace declarations included

	// AttachmentBytes may come beside Bytes where attachments are accepted, as they stand on the wire: encoded, with the headers of
	// parts and what is around them. Decoded they are never longer.
	AttachmentBytes int64
	Attachments     int // of one message
}

// message is the most that a message may have in all.
func (l Limits) message() int64 {
	return l.Bytes + min(l.AttachmentBytes, math.MaxInt64-l.Bytes)
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	if l.Nodes <= 0 {
		l.Nodes = defaultNodes
	}
	if l.Attributes <= 0 {
		l.Attributes = defaultAttributes
	}
	if l.AttachmentBytes <= 0 {
		l.AttachmentBytes = defaultAttachmentBytes
	}
	if l.Attachments <= 0 {
		l.Attachments = defaultAttachments
	}
	return l
}
