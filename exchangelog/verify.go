package exchangelog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// VerifyOptions say what a log is compared with; the zero value compares it with itself and its sidecars.
type VerifyOptions struct {
	Keys  []ed25519.PublicKey // that sign seals; none: signatures are not looked at
	Heads []KnownHead         // that were kept elsewhere
}

// KnownHead is a head that somebody kept, such as a monitoring system.
type KnownHead struct {
	Stream Stream
	Head   Head   // the hash may be its beginning
	From   string // who says so, for people
}

// Verify reads every stream of the source to its end and says what is wrong. Records are not decrypted. An error means that it could not be
// read; what was found until then is lost. Segments are read several at a time.
func Verify(ctx context.Context, source Source, o VerifyOptions) (*Report, error) {
	streams, err := source.Streams(ctx)
	if err != nil {
		return nil, err
	}
	for _, known := range o.Heads {
		if !slices.ContainsFunc(streams, func(s StoredStream) bool { return s.Stream == known.Stream }) {
			streams = append(streams, StoredStream{Stream: known.Stream}) // all of it is gone
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var reading sync.WaitGroup
	read := make([][]segmentCheck, len(streams))
	for i, s := range streams {
		read[i] = make([]segmentCheck, len(s.Segments))
		pins := pinsOf(&s, o.Heads)
		for k, segment := range s.Segments {
			places <- struct{}{}
			reading.Go(func() {
				defer func() { <-places }()
				read[i][k] = checkSegment(ctx, segment, pins)
				if read[i][k].err != nil {
					cancel()
				}
			})
		}
	}
	reading.Wait()
	report := &Report{}
	for i, s := range streams {
		for k, c := range read[i] {
			if c.err != nil && !errors.Is(c.err, context.Canceled) {
				return nil, fmt.Errorf("%s: %w", s.Segments[k].Name, c.err)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range streams {
		report.Streams = append(report.Streams, join(&streams[i], read[i], o))
	}
	return report, nil
}

// pin is a head that a record must have.
type pin struct {
	head Head
	from string
}

// pinsOf are the heads that are known of a stream.
func pinsOf(s *StoredStream, known []KnownHead) []pin {
	var pins []pin
	if s.Sidecar != nil && s.Sidecar.Head.Seq > 0 {
		pins = append(pins, pin{s.Sidecar.Head, "the sidecar"})
	}
	for _, k := range known {
		if k.Stream == s.Stream && k.Head.Seq > 0 {
			pins = append(pins, pin{k.Head, k.From})
		}
	}
	return pins
}

// segmentCheck is what one segment tells by itself.
type segmentCheck struct {
	name     string
	number   int
	tally    Tally  // by what the records say; Previous is not known
	covered  []byte // of the first record, whose predecessor is in another segment
	firstAt  int    // its line
	seal     *Seal
	sealAt   int
	torn     bool // the last line has no line break
	findings []Finding
	pinned   []pin // that were met
	err      error // it could not be read
}

func (c *segmentCheck) found(kind Kind, line int, seq int64, format string, args ...any) {
	if len(c.findings) <= maxFindings {
		c.findings = append(c.findings, Finding{kind, c.name, line, seq, fmt.Sprintf(format, args...)})
	}
}

// checkSegment reads a segment and checks each record but the first against the one before it.
func checkSegment(ctx context.Context, s StoredSegment, pins []pin) segmentCheck {
	c := segmentCheck{name: s.Name, number: s.Number}
	r, err := s.Open(ctx)
	if err != nil {
		c.fail(1, err)
		return c
	}
	lines := bufio.NewReaderSize(r, 1<<20)
	walk := walker{segmentCheck: &c, pins: pins}
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if err == io.EOF {
			c.torn = len(line) > 0
			break
		}
		if err != nil {
			c.fail(n, err)
			break
		}
		if n%1024 == 0 && ctx.Err() != nil {
			c.err = ctx.Err()
			break
		}
		walk.line(n, line[:len(line)-1])
	}
	if err := r.Close(); err != nil && c.err == nil && !damaged(err) {
		c.err = err
	}
	return c
}

// fail keeps why a segment could not be read. A compressed file that ends early or does not fit its checksum is a finding; of a disk
// that does not answer nothing is known.
func (c *segmentCheck) fail(line int, err error) {
	if damaged(err) {
		c.found(Truncated, line, 0, "the file is damaged: %v", err)
		return
	}
	c.err = err
}

// readLine reads to the line break; what it returns is valid until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	long := bytes.Clone(line)
	rest, err := r.ReadBytes('\n')
	return append(long, rest...), err
}

// walker goes from line to line of a segment.
type walker struct {
	*segmentCheck
	pins     []pin
	chain    chain
	last     Head   // as the last record says; a hash of "" is not known
	computed string // hash of the last record as it is
}

func (w *walker) line(n int, line []byte) {
	if w.seal != nil {
		w.found(Misplaced, n, 0, "a line stands behind the seal")
	}
	if isSeal(line) {
		seal, err := ParseSeal(line)
		if err != nil {
			w.found(Forged, n, 0, "the seal cannot be read: %v", err)
			return
		}
		w.seal, w.sealAt = seal, n
		return
	}
	head, ok := lineHead(line)
	if !ok {
		seq := int64(0)
		if w.tally.Count > 0 {
			seq = w.last.Seq + 1
		}
		w.found(Changed, n, seq, "the line is no record")
		if w.tally.Count > 0 {
			w.tally.Count++
			w.last = Head{Seq: w.last.Seq + 1}
			w.computed = ""
		}
		return
	}
	covered, _, _ := splitHash(line)
	for _, p := range w.pins {
		if p.head.Seq == head.Seq {
			w.pinned = append(w.pinned, p)
			if !strings.HasPrefix(head.Hash, p.head.Hash) {
				w.found(Contradict, n, head.Seq, "record %d has another hash than %s tells", head.Seq, p.from)
			}
		}
	}
	if w.tally.Count == 0 {
		w.covered, w.firstAt = bytes.Clone(covered), n
	} else {
		w.follow(n, head, covered)
	}
	w.tally.add("", head)
	w.last = head
}

// follow checks a record against the one before it.
func (w *walker) follow(n int, head Head, covered []byte) {
	hash := w.chain.hash(w.last.Hash, covered)
	switch last := w.last; {
	case head.Seq > last.Seq+1:
		w.found(Removed, n, last.Seq+1, "record %d follows %d: what was between is missing", head.Seq, last.Seq)
	case head.Seq <= last.Seq:
		w.found(Misplaced, n, head.Seq, "record %d stands behind %d", head.Seq, last.Seq)
	case hash != head.Hash && last.Hash != "" && w.chain.hash(w.computed, covered) != head.Hash:
		w.found(Changed, n, head.Seq, "record %d, or its hash, is not what was written", head.Seq)
	}
	w.computed = hash
}

// join puts a stream's segments together.
func join(s *StoredStream, checks []segmentCheck, o VerifyOptions) StreamReport {
	j := joiner{stored: s, keys: o.Keys, report: StreamReport{Stream: s.Stream, Segments: len(checks), Notes: s.Notes, Head: NoHead()}}
	j.last = NoHead()
	if s.Sidecar == nil {
		j.report.Notes = append(j.report.Notes, "there is no sidecar to compare with")
	}
	if s.Begin != nil {
		j.last, j.number = s.Begin.Head, s.Begin.Segment
		j.report.Notes = append(j.report.Notes, fmt.Sprintf("begins behind record %d, which was moved into an archive", s.Begin.Head.Seq))
	}
	for i := range checks {
		j.segment(&checks[i], i == len(checks)-1)
	}
	j.report.Head = j.last
	j.end(checks, pinsOf(s, o.Heads))
	return j.report
}

type joiner struct {
	stored *StoredStream
	keys   []ed25519.PublicKey
	report StreamReport
	number int  // of the last segment
	last   Head // of it
	signed bool // a seal by one of the keys was seen
}

// segment adds one segment to the stream.
func (j *joiner) segment(c *segmentCheck, isLast bool) {
	missing := j.between(c)
	if c.tally.Count > 0 && !missing {
		j.first(c)
	}
	for _, f := range c.findings {
		j.report.found(f)
	}
	j.report.Records += c.tally.Count
	switch {
	case c.seal != nil:
		j.seal(c)
	case !isLast:
		j.report.found(Finding{Truncated, c.name, 0, 0, "the segment has no seal, and another follows"})
	case j.stored.Sidecar != nil && j.stored.Sidecar.Sealed && j.stored.Sidecar.Segment >= c.number:
		j.report.found(Finding{Truncated, c.name, 0, 0, "the segment has no seal, and the sidecar tells of one"})
	default:
		j.report.Unsealed = c.tally.Count
		if c.torn {
			j.report.Notes = append(j.report.Notes, c.name+" ends in a line that is not whole: it is being written, or a crash cut it off")
		}
	}
	if c.torn && (c.seal != nil || !isLast) {
		j.report.found(Finding{Truncated, c.name, 0, 0, "the segment ends in a line that is not whole"})
	}
	if c.tally.Count > 0 {
		j.last = c.tally.Last
	}
	j.number = c.number
}

// between finds segments that are missing before c, or there twice.
func (j *joiner) between(c *segmentCheck) bool {
	switch {
	case c.number == j.number+1:
		return false
	case c.number <= j.number:
		j.report.found(Finding{Misplaced, c.name, 0, 0, fmt.Sprintf("segment %d is there twice", c.number)})
		return true
	case j.number == 0:
		j.report.found(Finding{Removed, c.name, 0, 1, fmt.Sprintf("the stream begins with segment %d: the segments before it are missing", c.number)})
	default:
		j.report.found(Finding{Removed, c.name, 0, j.last.Seq + 1, fmt.Sprintf("segment %d follows %d: what was between is missing", c.number, j.number)})
	}
	return true
}

// first checks the first record of a segment against the last of the one before.
func (j *joiner) first(c *segmentCheck) {
	w := walker{segmentCheck: &segmentCheck{name: c.name}, last: j.last, computed: j.last.Hash}
	w.follow(c.firstAt, c.tally.First, c.covered)
	for _, f := range w.findings {
		j.report.found(f)
	}
}

// seal checks a seal against its segment and the keys.
func (j *joiner) seal(c *segmentCheck) {
	s, wrong := c.seal, ""
	switch {
	case s.Stream != j.stored.Stream || s.Segment != c.number:
		wrong = fmt.Sprintf("the seal is of segment %d of %s", s.Segment, s.Stream)
	case s.Count != c.tally.Count:
		wrong = fmt.Sprintf("the seal tells of %d records, and there are %d", s.Count, c.tally.Count)
	case s.First != c.tally.First || s.Last != c.tally.Last:
		wrong = "the seal tells of another first or last record"
	case s.Previous != "" && s.Previous != empty && c.number == j.number+1 && s.Previous != j.last.Hash:
		wrong = "the seal tells of another record before the segment"
	case len(j.keys) > 0 && s.Signed() && !slices.ContainsFunc(j.keys, s.SignedBy):
		wrong = "none of the keys made the seal"
	case len(j.keys) > 0 && j.signed && !s.Signed():
		wrong = "the seal is not signed, and the ones before are"
	}
	if wrong != "" {
		j.report.found(Finding{Forged, c.name, c.sealAt, 0, wrong})
	}
	if !s.Signed() {
		j.report.Unsigned++
		return
	}
	j.report.Signed++
	j.signed = true
}

// end compares the end of the stream with what is known of it elsewhere.
func (j *joiner) end(checks []segmentCheck, pins []pin) {
	if len(j.keys) > 0 && j.report.Unsigned > 0 && !j.signed {
		j.report.found(Finding{Kind: Forged, Text: "a key was given, and no seal is signed"})
	}
	for _, p := range pins {
		met := slices.ContainsFunc(checks, func(c segmentCheck) bool { return slices.Contains(c.pinned, p) })
		switch {
		case met:
		case p.head.Seq > j.last.Seq:
			j.report.found(Finding{Kind: Truncated, Seq: j.last.Seq + 1,
				Text: fmt.Sprintf("%s tells of %d records, and the last here is %d", p.from, p.head.Seq, j.last.Seq)})
		case j.stored.Begin != nil && p.head.Seq <= j.stored.Begin.Head.Seq:
			j.report.Notes = append(j.report.Notes, fmt.Sprintf("record %d, of which %s tells, is not here", p.head.Seq, p.from))
		default:
			j.report.found(Finding{Kind: Removed, Seq: p.head.Seq, Text: fmt.Sprintf("record %d, of which %s tells, is missing", p.head.Seq, p.from)})
		}
	}
}
