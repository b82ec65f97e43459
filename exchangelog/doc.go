// Package exchangelog keeps every message that we exchange with another system (NA-95): in and out, request and
// response, also those that failed, timed out or were refused. No counterpart knows of it: Log.Handler wraps an http.Handler and
// Log.Transport an http.RoundTripper.
//
// A Record is one message; it is stored as one JSON line. A Stream is the lines of one system, one replica and one part, requests
// or responses. Its lines form a chain: each ends in a hash over the hash before it and itself, so that nothing can be changed,
// taken out, put in or moved without a trace. A stream is cut into segments, and a Seal, signed where there is a key, ends
// each. A Sink keeps streams; its Journal is one stream's end, where lines are added. Each sink keeps a chain of its own of a
// stream, so that it can be verified without any other.
//
// The record of an inbound request is durable before its answer leaves, that of an outbound request before it is
// sent. Where it cannot be, a Required system refuses the exchange and a BestEffort one goes on, counts and alarms. Many exchanges share one
// write.
//
// Verify reads a Source, files or anything else that has the same lines, and says the first wrong place of each stream and what
// it cannot know.
//
// A month that is over becomes an Archive: its segments, lists of their hashes, and a Manifest in signed XML, which standard tools check. An
// Exporter writes it, and Retire removes the month from a MonthStore, files or tables, once the archive has proved to hold it. Evidence
// is one exchange with what proves its place: its own lines, and of the others the hashes alone. Find looks for exchanges in all of them.
package exchangelog
