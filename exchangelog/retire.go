package exchangelog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
)

// MonthStore is a sink whose months can be archived and then removed.
type MonthStore interface {
	MonthSource
	Sink
	// Removed are the signed manifests of the months of the system that were removed, or whose removal was begun.
	Removed(ctx context.Context, system string) (map[Month][]byte, error)
	// MayRemove is ErrMayNotRemove where Remove would be refused.
	MayRemove(ctx context.Context) error
	// Remove keeps the signed manifest, and then removes the month of every stream of the system. Where it did not come to its
	// end it is repeated, with the same manifest; where it did there is nothing to do.
	Remove(ctx context.Context, r Removal) error
}

// Removal is a month that is to be removed.
type Removal struct {
	Manifest
	Text []byte // of the manifest, signed
}

// ErrMayNotRemove says that somebody else has to remove months.
var ErrMayNotRemove = errors.New("months of the exchange log may not be removed")

// archivist is the replica's name in the stream that tells what was removed. A replica that serves may not have it.
const archivist = "archivist"

// Retire removes a month from a store once its archive has proved to hold it: the archive is read back and verified, and every segment
// that the store has is in it with the same end, and the other way round. The current month is never removed. What was removed,
// and by whom, is written into the log first, in a stream of its own, and the signed manifest is kept where the records were, so that
// Verify knows why a stream begins where it does. A removal that was interrupted is finished by the next.
func (e Exporter) Retire(ctx context.Context, store MonthStore, dir string, trusted []*x509.Certificate, by string) (Manifest, error) {
	a, err := OpenArchive(dir, trusted)
	if err != nil {
		return Manifest{}, err
	}
	defer a.Close()
	m := a.Manifest
	switch {
	case m.Exchange != "":
		return m, errors.New("it is the evidence of an exchange, and no archive")
	case filepath.Base(dir) != m.Month.String() || filepath.Base(filepath.Dir(dir)) != m.System:
		return m, fmt.Errorf("%s holds the archive of %s %s", dir, m.System, m.Month)
	case !m.Month.Before(MonthOf(e.Now())):
		return m, fmt.Errorf("month %s is not over", m.Month)
	}
	if err := store.MayRemove(ctx); err != nil {
		return m, err
	}
	if err := a.Verify(ctx); err != nil {
		return m, fmt.Errorf("archive %s: %w", dir, err)
	}
	removed, err := store.Removed(ctx, m.System)
	if err != nil {
		return m, err
	}
	begun := removed[m.Month]
	if begun != nil && !bytes.Equal(begun, a.Text) {
		return m, fmt.Errorf("the month was removed after another archive than %s", dir)
	}
	there, err := e.compare(ctx, store, m, begun != nil)
	if err != nil {
		return m, err
	}
	if !there && begun != nil {
		return m, nil // all was done
	}
	sum := sha256.Sum256(a.Text)
	text := fmt.Sprintf("%s: %d records of %d streams were archived and are removed; SHA-256 of the archive's manifest: %s", m.Month, m.Count(), len(m.Chapters),
		hex.EncodeToString(sum[:]))
	if err := e.settle(ctx, store, Stream{m.System, archivist, Request}, by, text); err != nil {
		return m, fmt.Errorf("the removal could not be recorded: %w", err)
	}
	if e.Removing != nil {
		if err := e.Removing(ctx, m); err != nil {
			return m, fmt.Errorf("the removal could not be recorded: %w", err)
		}
	}
	return m, store.Remove(ctx, Removal{m, a.Text})
}

// Continued is a source of which months were removed: with their manifests it is known where its streams begin.
type Continued struct {
	Source
	Removed []Manifest // in any order
}

// Streams is for Source.
func (c Continued) Streams(ctx context.Context) ([]StoredStream, error) {
	streams, err := c.Source.Streams(ctx)
	for i := range streams {
		streams[i].Begin = c.begin(&streams[i])
	}
	return streams, err
}

// begin is the last archived segment before the first that is there; nil where there is none.
func (c Continued) begin(s *StoredStream) *Sidecar {
	var begin *Sidecar
	for _, m := range c.Removed {
		for _, chapter := range m.Chapters {
			if m.Stream(chapter) != s.Stream {
				continue
			}
			for _, segment := range chapter.Segments {
				before := len(s.Segments) == 0 || segment.Number < s.Segments[0].Number
				if before && (begin == nil || segment.Number > begin.Segment) {
					begin = &Sidecar{Stream: s.Stream, Segment: segment.Number, Head: segment.Last}
				}
			}
		}
	}
	return begin
}

// compare reads the month in the store and says how it differs from its archive. Once a removal has begun, segments may be
// missing from the store. there reports whether any is not.
func (e Exporter) compare(ctx context.Context, store MonthSource, m Manifest, begun bool) (there bool, err error) {
	type key struct {
		stream Stream
		number int
	}
	archived := map[key]ArchivedSegment{}
	for _, c := range m.Chapters {
		for _, s := range c.Segments {
			archived[key{m.Stream(c), s.Number}] = s
		}
	}
	for s, err := range store.Segments(ctx, m.System, m.Month) {
		if err != nil {
			return there, err
		}
		there = true
		at := key{s.Stream, s.Number}
		want, ok := archived[at]
		if !ok {
			return there, fmt.Errorf("segment %d of %s is not in the archive: it came after it; move the archive away and export the month again", s.Number, s.Stream)
		}
		delete(archived, at)
		if err := e.compareSegment(ctx, s, want); err != nil {
			return there, fmt.Errorf("segment %d of %s: %w", s.Number, s.Stream, err)
		}
	}
	for at := range archived {
		if !begun {
			return there, fmt.Errorf("segment %d of %s is in the archive, and not in the log", at.number, at.stream)
		}
	}
	return there, nil
}

func (e Exporter) compareSegment(ctx context.Context, s MonthSegment, want ArchivedSegment) error {
	var read sealedReader
	for line, err := range s.Lines {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = read.add(line)
		}
		if err != nil {
			return err
		}
	}
	if err := read.check(s.Stream, s.Number, e.Seals); err != nil {
		return err
	}
	if read.before() != want.Before || read.seal.Last != want.Last {
		return errors.New("it is not the one in the archive")
	}
	return nil
}

// settle takes a stream that nobody writes, seals what a process that died left open, adds a note, if there is one, and seals it.
func (e Exporter) settle(ctx context.Context, sink Sink, s Stream, by, note string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &writer{stream: s, sink: sink, limits: Limits{}.withDefaults(), key: e.SealKey, now: e.Now, log: e.Logger, queue: newQueue()}
	defer w.close()
	if _, err := w.open(); err != nil {
		return err
	}
	if note != "" {
		if _, err := w.append([]*entry{{draft: newDraft(noteRecord(s, e.Now(), by, note))}}); err != nil {
			return err
		}
	}
	if w.tally.Count == 0 {
		return nil
	}
	return w.seal(false)
}
