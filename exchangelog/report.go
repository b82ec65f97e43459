package exchangelog

import (
	"fmt"
	"io"
)

// Kind is what is wrong with a stream.
type Kind string

// The kinds of findings.
const (
	Changed    Kind = "changed"    // a record is not what was written, or no record
	Removed    Kind = "removed"    // records are missing
	Misplaced  Kind = "misplaced"  // a record is there again, was put in, or stands in another place
	Truncated  Kind = "truncated"  // the end of a segment or of the stream is missing
	Forged     Kind = "forged"     // a seal does not fit its segment, or the key did not make it
	Contradict Kind = "contradict" // a sidecar or a head that was kept elsewhere says otherwise
)

// Finding is one wrong place.
type Finding struct {
	Kind    Kind
	Segment string // where, for people; empty: not in a segment
	Line    int    // in the segment, from 1; 0: not a line
	Seq     int64  // of the record; 0: not known
	Text    string // what is wrong, without anything of a message
}

// String is the finding in one line.
func (f Finding) String() string {
	switch {
	case f.Line > 0:
		return fmt.Sprintf("%s: %s:%d: %s", f.Kind, f.Segment, f.Line, f.Text)
	case f.Segment != "":
		return fmt.Sprintf("%s: %s: %s", f.Kind, f.Segment, f.Text)
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Text)
}

// Report is what Verify found.
type Report struct{ Streams []StreamReport }

// StreamReport is what Verify found of one stream.
type StreamReport struct {
	Stream   Stream
	Records  int64
	Segments int
	Signed   int       // of the seals, by one of the keys given, or by any where none was
	Unsigned int       // seals without a signature
	Unsealed int64     // records at the end that no seal covers
	Head     Head      // the last record's
	Findings []Finding // in the order of the stream; the first is the first wrong place
	More     int       // findings beyond maxFindings
	Notes    []string  // what is worth knowing and not wrong
}

// maxFindings is how many wrong places of a stream are told: more say nothing new.
const maxFindings = 20

func (r *StreamReport) found(f Finding) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
		return
	}
	r.More++
}

// Wrong reports whether anything was found.
func (r *Report) Wrong() bool {
	for _, s := range r.Streams {
		if len(s.Findings) > 0 {
			return true
		}
	}
	return false
}

// WriteTo writes the report for people.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var n int64
	say := func(format string, args ...any) error {
		k, err := fmt.Fprintf(w, format+"\n", args...)
		n += int64(k)
		return err
	}
	for _, s := range r.Streams {
		verdict := "whole"
		if len(s.Findings) > 0 {
			verdict = "WRONG"
		}
		lines := []string{fmt.Sprintf("%s: %s: %d records in %d segments, head %d:%s", s.Stream, verdict, s.Records, s.Segments, s.Head.Seq, s.Head.Hash)}
		for _, f := range s.Findings {
			lines = append(lines, "  "+f.String())
		}
		if s.More > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more", s.More))
		}
		if s.Unsealed > 0 {
			lines = append(lines, fmt.Sprintf("  not sealed yet: the last %d records", s.Unsealed))
		}
		if s.Unsigned > 0 {
			lines = append(lines, fmt.Sprintf("  not signed: the seals of %d segments", s.Unsigned))
		}
		for _, note := range s.Notes {
			lines = append(lines, "  note: "+note)
		}
		for _, line := range lines {
			if err := say("%s", line); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}
