// Package soap speaks SOAP 1.1 on X-Road's terms (message protocol 4.0): it reads requests and answers
// strictly, answers a security server as a service (Handler) and calls services through one's own
// security server (Sender). Sections in brackets (§2.4) are those of the X-Road fact sheet.
//
// Everything from outside is hostile. A message first goes through a strict pass over its tokens,
// with limits on bytes, depth, nodes and attributes; only then is a tree built of it. Names count
// by namespace, never by prefix or position.
//
// An answer is built from the request's own Envelope and Header elements, so that every header block
// is repeated in the same sequence with the same value, foreign ones included (§2.1). Faults are
// answered the same way as far as the request could be read.
//
// Attachments (§3.4: SwA, swaRef, MTOM) are taken by operations and calls that say so, and refused by all others. The SOAP
// message is the first part, always; what a start parameter says otherwise is a mistake of the peer. References lead to
// attachments by Resolve. Attachments are decoded as they come, kept in memory up to 1 MiB a message and beyond that in a file
// without a name, and freed when the request is over or the Message closed; to be sent they are streamed, once. Neither takes memory that
// grows with them. They do not come into requestHash, which is over the SOAP message alone (§2.3).
package soap
