package exchangelog

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Evidence is one exchange with what proves that its records stood where they did. Of the records around them it holds the
// hashes alone, which tell nothing of anybody: a record's hash is that of the hash before it and its own bytes, and the seal and
// the manifests vouch for the hashes. That the other records match theirs, only their bytes can show: WholeSegments adds them.
type Evidence struct {
	RequestID     string
	Segments      iter.Seq2[MonthSegment, error] // sealed ones, among which are those that the exchange's records stand in
	WholeSegments bool                           // with the records around, of whomever they are
	Open          func(*Record) ([]byte, error)  // the body as it was sent, decrypted; ErrNoBody where there is none
	Archive       []byte                         // the signed manifest of the month's archive; nil: it is not archived
}

// ErrNoBody is a record whose body is not there to be read: only its digest was kept, or its key is not at hand.
var ErrNoBody = errors.New("the body is not there to be read")

//go:embed evidence.txt
var evidenceText string

var evidenceReadme = template.Must(template.New("README.txt").Parse(evidenceText))

// evidencePage is what the README tells.
type evidencePage struct {
	Manifest Manifest
	Day      string
	SealKey  bool
	Archive  bool
	Whole    bool
	Records  []evidenceRecord
}

type evidenceRecord struct {
	Stream                  Stream
	Seq, Line               int64
	Time, Name, Segment     string // Name and Segment begin the names of files
	Previous, Hash, Digest  string
	Body, Masked, FirstLine bool
}

// WriteEvidence writes the bundle, a gzipped tar of one folder, which appears whole or not at all. by says who asked for it.
func (e Exporter) WriteEvidence(ctx context.Context, v Evidence, file, by string) error {
	parent := filepath.Dir(file)
	folder, err := os.MkdirTemp(parent, partialPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	w := archiveWriter{dir: folder}
	now := e.Now().Truncate(time.Second)
	if err := w.evidence(ctx, e, v, Manifest{Exchange: v.RequestID, Created: now.UTC(), CreatedBy: by, Tool: e.Tool}); err != nil {
		return err
	}
	out, err := os.CreateTemp(parent, partialPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	if err := errors.Join(pack(out, folder, "evidence-"+v.RequestID, now), out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Link(out.Name(), file); err != nil { // unlike a rename it replaces nothing
		return err
	}
	return syncFolder(parent)
}

func (w *archiveWriter) evidence(ctx context.Context, e Exporter, v Evidence, m Manifest) error {
	if err := w.sealKey(&m, e.Seals); err != nil {
		return err
	}
	page := evidencePage{SealKey: e.Seals != nil, Whole: v.WholeSegments, Archive: v.Archive != nil}
	if v.Archive != nil {
		file, err := w.file(kindArchive, "archive-manifest.xml", writeBytes(v.Archive))
		if err != nil {
			return err
		}
		m.Files = append(m.Files, file)
	}
	for segment, err := range v.Segments {
		if err != nil {
			return err
		}
		records, err := w.evidenceSegment(ctx, &m, e.Seals, v, segment)
		if err != nil {
			return fmt.Errorf("segment %d of %s: %w", segment.Number, segment.Stream, err)
		}
		page.Records = append(page.Records, records...)
	}
	if len(page.Records) == 0 {
		return fmt.Errorf("exchange %s: %w", v.RequestID, ErrNothing)
	}
	page.Manifest = m
	page.Day = m.Created.In(tallinn).Format(time.DateOnly)
	readme, err := w.file(kindReadme, "README.txt", func(out io.Writer) error { return evidenceReadme.Execute(out, page) })
	if err != nil {
		return err
	}
	m.Files = append(m.Files, readme)
	return w.finish(m, e.Signer)
}

// evidenceSegment writes what evidence holds of a segment, and checks the whole of it.
func (w *archiveWriter) evidenceSegment(ctx context.Context, m *Manifest, sealKey ed25519.PublicKey, v Evidence, s MonthSegment) ([]evidenceRecord, error) {
	name := archivedName(s)
	var found []foundRecord
	lines := func(yield func([]byte, error) bool) {
		for line, err := range s.Lines {
			if r := recordOf(line, v.RequestID); err == nil && r != nil {
				found = append(found, foundRecord{r, bytes.Clone(line)})
			}
			if !yield(line, err) {
				return
			}
		}
	}
	read, files, err := w.lines(ctx, name, lines, v.WholeSegments)
	if err != nil {
		return nil, err
	}
	if err := read.check(s.Stream, s.Number, sealKey); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, w.remove(files)
	}
	seal, err := w.sealFiles(name, read.seal)
	if err != nil {
		return nil, err
	}
	files = append(files, seal...)
	var records []evidenceRecord
	for _, r := range found {
		record, more, err := w.record(s, v, name, r, read)
		if err != nil {
			return nil, err
		}
		records, files = append(records, record), append(files, more...)
	}
	if m.System == "" {
		m.System, m.Month = s.Stream.System, MonthOf(found[0].record.Time)
	}
	m.add(s.Stream, ArchivedSegment{Number: s.Number, Before: read.before(), Last: read.seal.Last, Files: files})
	return records, nil
}

type foundRecord struct {
	record *Record
	line   []byte
}

// recordOf is the line's record if it is one of the exchange, else nil.
func recordOf(line []byte, requestID string) *Record {
	if !bytes.Contains(line, []byte(requestID)) || isSeal(line) {
		return nil
	}
	r, err := ParseRecord(line)
	if err != nil || r.RequestID != requestID {
		return nil
	}
	return r
}

// sealFiles writes a seal as standard tools check it: what was signed, and the signature.
func (w *archiveWriter) sealFiles(name string, s *Seal) ([]ArchiveFile, error) {
	signed, err := w.file(kindSeal, name+".seal", writeBytes(s.signed))
	if err != nil || !s.Signed() {
		return []ArchiveFile{signed}, err
	}
	signature, err := w.file(kindSignature, name+".seal.sig", writeBytes(s.signature))
	return []ArchiveFile{signed, signature}, err
}

// record writes a record's line, and its body where it can be read.
func (w *archiveWriter) record(s MonthSegment, v Evidence, segment string, found foundRecord, read *sealedReader) (evidenceRecord, []ArchiveFile, error) {
	r := found.record
	name := fmt.Sprintf("%s/%s-%d", s.Stream.Replica, s.Stream.Part, r.Seq)
	at := r.Seq - read.seal.First.Seq
	if at < 0 || at >= int64(len(read.hashes)) || read.hashes[at] != r.Hash {
		return evidenceRecord{}, nil, fmt.Errorf("record %d is not where its number says", r.Seq)
	}
	e := evidenceRecord{Stream: s.Stream, Seq: r.Seq, Line: at + 1, Time: r.Time.In(tallinn).Format("2006-01-02 15:04:05.000 -07:00"), Name: name, Segment: segment,
		Previous: read.seal.Previous, Hash: r.Hash, Digest: r.Digest, FirstLine: at == 0}
	if at > 0 {
		e.Previous = read.hashes[at-1]
	}
	file, err := w.file(kindRecord, name+".record", writeBytes(append(found.line, '\n')))
	if err != nil {
		return e, nil, err
	}
	files := []ArchiveFile{file}
	body, err := v.Open(r)
	switch {
	case errors.Is(err, ErrNoBody):
		return e, files, nil
	case err != nil:
		return e, nil, fmt.Errorf("record %d: %w", r.Seq, err)
	}
	described := describe(kindBody, name+".body", body)
	if r.Digest != "" && described.SHA256 != r.Digest { // as it is kept, it is not as it passed
		described.Kind, described.Name = kindMasked, name+".masked"
	}
	e.Body, e.Masked = described.Kind == kindBody, described.Kind == kindMasked
	if file, err = w.file(described.Kind, described.Name, writeBytes(body)); err != nil {
		return e, nil, err
	}
	return e, append(files, file), nil
}

// pack writes the files of a folder as a gzipped tar; the same files and time give the same bytes.
func pack(out io.Writer, folder, name string, at time.Time) error {
	zip := gzip.NewWriter(out)
	t := tar.NewWriter(zip)
	err := fs.WalkDir(os.DirFS(folder), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: name + "/" + file, Mode: 0o640, Size: int64(len(content)), ModTime: at, Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err = t.Write(content)
		return err
	})
	return errors.Join(err, t.Close(), zip.Close())
}

// checkEvidence checks a segment of which the records around the exchange's may be known by their hashes alone.
func (a *Archive) checkEvidence(ctx context.Context, stream Stream, s ArchivedSegment, sealKey ed25519.PublicKey) error {
	seal, err := a.seal(s)
	if err != nil {
		return err
	}
	hashes, err := a.hashes(s)
	if err != nil {
		return err
	}
	read := sealedReader{seal: seal, hashes: hashes}
	if err := read.checkSeal(stream, s.Number, sealKey); err != nil {
		return err
	}
	if read.before() != s.Before || seal.Last != s.Last {
		return errors.New("its seal says something else than the manifest")
	}
	if _, err := s.file(kindLines); err == nil {
		if err := a.checkSegment(ctx, stream, s, sealKey); err != nil {
			return err
		}
	}
	records := map[string]*Record{}
	for _, f := range s.Files {
		if f.Kind != kindRecord {
			continue
		}
		if records[strings.TrimSuffix(f.Name, ".record")], err = a.checkRecord(stream, f, &read); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if len(records) == 0 {
		return fmt.Errorf("%w: it has no record of the exchange", ErrManifest)
	}
	for _, f := range s.Files {
		if f.Kind == kindBody || f.Kind == kindMasked {
			if err := a.checkBody(f, records[strings.TrimSuffix(f.Name, "."+f.Kind)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBody checks a body against its record: by its digest, or if that is of the body before it was masked, by what is kept. Of an encrypted one
// nothing can be said without its key.
func (a *Archive) checkBody(f ArchiveFile, r *Record) error {
	wrong := fmt.Errorf("%s is not the body that its record says", f.Name)
	if r == nil {
		return wrong
	}
	if f.Kind == kindBody && r.Digest != "" {
		if f.SHA256 != r.Digest {
			return wrong
		}
		return nil
	}
	if r.KeyID != "" {
		return nil
	}
	body, err := a.read(f.Name, f.Size)
	if err != nil {
		return err
	}
	kept, err := r.Plain()
	if err != nil || !bytes.Equal(kept, body) {
		return wrong
	}
	return nil
}

func (a *Archive) checkRecord(stream Stream, f ArchiveFile, read *sealedReader) (*Record, error) {
	text, err := a.read(f.Name, f.Size)
	if err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(text, []byte("\n"))
	r, err := ParseRecord(line)
	if err != nil {
		return nil, err
	}
	if r.RequestID != a.Manifest.Exchange || r.Stream() != stream {
		return nil, errors.New("it is of another exchange or stream")
	}
	at := r.Seq - read.seal.First.Seq
	if at < 0 || at >= int64(len(read.hashes)) {
		return nil, fmt.Errorf("record %d is not of the segment", r.Seq)
	}
	previous := read.seal.Previous
	if at > 0 {
		previous = read.hashes[at-1]
	}
	covered, hash, ok := splitHash(line)
	if !ok || hash != read.hashes[at] || read.work.hash(previous, covered) != hash {
		return nil, errors.New("its hash is not that of the segment")
	}
	return r, nil
}

// seal is a segment's seal, as evidence has it.
func (a *Archive) seal(s ArchivedSegment) (*Seal, error) {
	file, err := s.file(kindSeal)
	if err != nil {
		return nil, err
	}
	signed, err := a.read(file.Name, file.Size)
	if err != nil {
		return nil, err
	}
	signature := empty
	if file, err := s.file(kindSignature); err == nil {
		raw, err := a.read(file.Name, file.Size)
		if err != nil {
			return nil, err
		}
		signature = base64.StdEncoding.EncodeToString(raw)
	}
	return ParseSeal(fmt.Appendf(nil, "%s%s%s%s\"}", sealBegin, signed, signatureMember, signature))
}

// hashes are those of a segment's records, at least one.
func (a *Archive) hashes(s ArchivedSegment) ([]string, error) {
	file, err := s.file(kindHashes)
	if err != nil {
		return nil, err
	}
	text, err := a.read(file.Name, file.Size)
	if err != nil {
		return nil, err
	}
	hashes := slices.Collect(func(yield func(string) bool) {
		for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan() && yield(scanner.Text()); {
		}
	})
	if len(hashes) == 0 || slices.ContainsFunc(hashes, func(h string) bool { return !isHash(h) }) {
		return nil, fmt.Errorf("%s does not hold hashes", file.Name)
	}
	return hashes, nil
}

// Plain is the body as it is kept: as it passed, or masked. ErrNoBody where none is kept, or it is encrypted.
func (r *Record) Plain() ([]byte, error) {
	if r.KeyID != "" || r.Body == "" {
		return nil, ErrNoBody
	}
	if encoded, ok := strings.CutPrefix(r.Body, binary); ok {
		return base64.StdEncoding.DecodeString(encoded)
	}
	return []byte(r.Body), nil
}
