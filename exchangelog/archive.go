package exchangelog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// MonthSegment is one segment of a stream as its sink keeps it.
type MonthSegment struct {
	Stream Stream
	Number int
	Lines  iter.Seq2[[]byte, error] // its records and at the end its seal, without line breaks; each is valid until the next
}

// MonthSource is where a system's records are kept: its files, or its tables.
type MonthSource interface {
	// Months are those that it has records of the system of, earliest first.
	Months(ctx context.Context, system string) ([]Month, error)
	// Segments are those of the month in every stream of the system: by replica and part, in order. It ends after an error.
	Segments(ctx context.Context, system string, m Month) iter.Seq2[MonthSegment, error]
}

// Exporter writes archives. Several at once, on one folder or on different machines, do not disturb each other: the first that
// is done wins.
type Exporter struct {
	Dir     string // archives are Dir/system/yyyy-mm
	Signer  *Signer
	Seals   ed25519.PublicKey // what the seals are signed with; nil: they are not
	SealKey *SealKey          // seals what a replica left open that died and did not come back; nil: such seals are not signed
	Tool    string            // the adapter's version
	Now     func() time.Time
	Logger  *slog.Logger
	// Key reads the wrapped key with an id, fs.ErrNotExist where it was destroyed; nil: archives get no keys.
	Key func(system, id string) ([]byte, error)
	// Removing is told of a month that is about to be removed; with an error it stays. nil: nobody is.
	Removing func(context.Context, Manifest) error
}

var (
	// ErrArchived is an archive that is there already.
	ErrArchived = errors.New("the month is archived already")
	// ErrNothing is a month without a record.
	ErrNothing = errors.New("nothing was recorded in the month")
	// ErrUnsealed is a segment without its seal: it is still being written, or its replica was killed and has not come back.
	ErrUnsealed = errors.New("a segment is not sealed")
)

// partialAge is how old an unfinished archive must be to be cleared away: no export takes as long, so nobody is writing it.
const partialAge = 24 * time.Hour

// Export writes the month of a system out and returns its archive's folder, which appears whole or not at all. What
// does not verify is not signed: a segment that is unsealed, or whose chain or seal is wrong, is an error. What a replica left
// unsealed that died is sealed first, where the source is a sink too. by says who asked for it.
func (e Exporter) Export(ctx context.Context, source MonthSource, system string, m Month, by string) (string, error) {
	settled := map[Stream]bool{}
	for {
		dir, err := e.export(ctx, source, system, m, by)
		var open *unsealedError
		if !errors.As(err, &open) || settled[open.stream] {
			return dir, err
		}
		settled[open.stream] = true
		sink, ok := source.(Sink)
		if !ok || e.Seals != nil && e.SealKey == nil {
			return dir, err
		}
		if settleErr := e.settle(ctx, sink, open.stream, "", ""); settleErr != nil {
			return dir, errors.Join(err, settleErr)
		}
	}
}

// unsealedError is an ErrUnsealed that tells where.
type unsealedError struct {
	stream Stream
	number int
}

func (e *unsealedError) Error() string {
	return fmt.Sprintf("segment %d of %s: %v", e.number, e.stream, ErrUnsealed)
}

func (e *unsealedError) Unwrap() error { return ErrUnsealed }

func (e Exporter) export(ctx context.Context, source MonthSource, system string, m Month, by string) (string, error) {
	now := e.Now().Truncate(time.Second)
	if !m.Before(MonthOf(now)) {
		return "", fmt.Errorf("month %s is not over", m)
	}
	final := e.Folder(system, m)
	if _, err := os.Lstat(final); err == nil {
		return final, ErrArchived
	}
	parent := filepath.Dir(final)
	if err := makeFolder(parent); err != nil {
		return "", err
	}
	clearPartial(parent, now)
	partial, err := os.MkdirTemp(parent, partialPrefix+m.String()+"-")
	if err != nil {
		return "", err
	}
	w := archiveWriter{dir: partial}
	err = w.write(ctx, e, source, Manifest{System: system, Month: m, Created: now.UTC(), CreatedBy: by, Tool: e.Tool})
	if err == nil {
		err = os.Chmod(partial, folderMode) // for the auditors' group too
	}
	if err == nil {
		err = os.Rename(partial, final)
		if errors.Is(err, fs.ErrExist) {
			err = ErrArchived
		}
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	return final, syncFolder(parent)
}

// Folder is where a month's archive is.
func (e Exporter) Folder(system string, m Month) string {
	return filepath.Join(e.Dir, system, m.String())
}

// maxArchivedLine bounds what is held of an archive at once; bodies are kept up to a limit far below it.
const maxArchivedLine = 64 << 20

const partialPrefix = ".partial-"

// clearPartial removes what an export that was killed left behind. It is tidying: an error is the next export's.
func clearPartial(parent string, now time.Time) {
	entries, _ := os.ReadDir(parent)
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), partialPrefix) && now.Sub(info.ModTime()) > partialAge {
			_ = os.RemoveAll(filepath.Join(parent, entry.Name()))
		}
	}
}

// archiveWriter writes the files of one archive.
type archiveWriter struct {
	dir     string
	folders []string
}

func (w *archiveWriter) write(ctx context.Context, e Exporter, source MonthSource, m Manifest) error {
	if err := w.sealKey(&m, e.Seals); err != nil {
		return err
	}
	for segment, err := range source.Segments(ctx, m.System, m.Month) {
		if err != nil {
			return err
		}
		err := w.segment(ctx, &m, e.Seals, segment)
		if errors.Is(err, ErrUnsealed) {
			return &unsealedError{segment.Stream, segment.Number}
		}
		if err != nil {
			return fmt.Errorf("segment %d of %s: %w", segment.Number, segment.Stream, err)
		}
	}
	if len(m.Chapters) == 0 {
		return ErrNothing
	}
	if err := w.wrappedKeys(e, m); err != nil {
		return err
	}
	return w.finish(m, e.Signer)
}

// finish writes what vouches for the other files.
func (w *archiveWriter) finish(m Manifest, s *Signer) error {
	text, err := m.Sign(s)
	if err != nil {
		return err
	}
	if _, err := w.file("", manifestName, writeBytes(text)); err != nil {
		return err
	}
	if _, err := w.file("", sumsName, writeBytes(m.sums())); err != nil {
		return err
	}
	for _, folder := range append(w.folders, w.dir) {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

// sealKey writes the public key of the seals, if there is one.
func (w *archiveWriter) sealKey(m *Manifest, key ed25519.PublicKey) error {
	if key == nil {
		return nil
	}
	text, err := publicPEM(key)
	if err != nil {
		return err
	}
	file, err := w.file(kindSealKey, "seal-key.pem", writeBytes(text))
	m.Files = append(m.Files, file)
	return err
}

// wrappedKeys puts the keys of the bodies beside the records, as the log has them.
func (w *archiveWriter) wrappedKeys(e Exporter, m Manifest) error {
	if e.Key == nil {
		return nil
	}
	for _, id := range m.Keys {
		text, err := e.Key(m.System, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := w.file("", keyName(id), writeBytes(text)); err != nil {
			return err
		}
	}
	return nil
}

// segment writes a segment's files, and checks it while it passes.
func (w *archiveWriter) segment(ctx context.Context, m *Manifest, sealKey ed25519.PublicKey, s MonthSegment) error {
	read, files, err := w.lines(ctx, archivedName(s), s.Lines, true)
	if err != nil {
		return err
	}
	if err := read.check(s.Stream, s.Number, sealKey); err != nil {
		return err
	}
	m.add(s.Stream, ArchivedSegment{Number: s.Number, Before: read.before(), Last: read.seal.Last, Files: files})
	for id := range read.keys {
		if !slices.Contains(m.Keys, id) {
			m.Keys = append(m.Keys, id)
		}
	}
	slices.Sort(m.Keys)
	return nil
}

// archivedName begins the names of a segment's files.
func archivedName(s MonthSegment) string {
	return fmt.Sprintf("%s/%s-%06d", s.Stream.Replica, s.Stream.Part, s.Number)
}

// lines reads a segment through and writes the list of its records' hashes, and with keep the lines themselves.
func (w *archiveWriter) lines(ctx context.Context, name string, lines iter.Seq2[[]byte, error], keep bool) (*sealedReader, []ArchiveFile, error) {
	read := new(sealedReader)
	copyTo := func(out io.Writer) error {
		for line, err := range lines {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = read.add(line)
			}
			if err == nil {
				_, err = out.Write(append(line[:len(line):len(line)], '\n'))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	var files []ArchiveFile
	if keep {
		file, err := w.file(kindLines, name+".ndjson.gz", func(out io.Writer) error {
			zip := gzip.NewWriter(out) // no name and no time in it: the same records give the same bytes
			return errors.Join(copyTo(zip), zip.Close())
		})
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file)
	} else if err := copyTo(io.Discard); err != nil {
		return nil, nil, err
	}
	file, err := w.file(kindHashes, name+".hashes", func(out io.Writer) error {
		for _, hash := range read.hashes {
			if _, err := io.WriteString(out, hash+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
	return read, append(files, file), err
}

func writeBytes(content []byte) func(io.Writer) error {
	return func(out io.Writer) error {
		_, err := out.Write(content)
		return err
	}
}

// file writes one file, which is on the disk when it returns.
func (w *archiveWriter) file(kind, name string, write func(io.Writer) error) (ArchiveFile, error) {
	if folder := path.Dir(name); folder != "." {
		full := filepath.Join(w.dir, filepath.FromSlash(folder))
		switch err := os.Mkdir(full, folderMode); {
		case err == nil:
			w.folders = append(w.folders, full)
		case !errors.Is(err, fs.ErrExist):
			return ArchiveFile{}, err
		}
	}
	f, err := os.OpenFile(filepath.Join(w.dir, filepath.FromSlash(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return ArchiveFile{}, err
	}
	sum := sha256.New()
	size := &counter{}
	out := bufio.NewWriterSize(io.MultiWriter(f, sum, size), 64<<10)
	err = write(out)
	if err == nil {
		err = errors.Join(out.Flush(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return ArchiveFile{}, err
	}
	return ArchiveFile{Kind: kind, Name: name, Size: size.n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (w *archiveWriter) remove(files []ArchiveFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, os.Remove(filepath.Join(w.dir, filepath.FromSlash(f.Name))))
	}
	return errors.Join(errs...)
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// Archive is an archive, or the evidence of an exchange, that was opened: its manifest is what its signature vouches for.
type Archive struct {
	Manifest Manifest
	Text     []byte // the signed manifest
	root     *os.Root
}

// OpenArchive reads the manifest of the archive in the folder and checks its signature. Close it.
func OpenArchive(dir string, trusted []*x509.Certificate) (*Archive, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	a := &Archive{root: root}
	if a.Text, err = a.read(manifestName, maxManifest); err == nil {
		a.Manifest, err = ReadManifest(a.Text, trusted)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(dir, manifestName), err), root.Close())
	}
	return a, nil
}

// Close closes the folder.
func (a *Archive) Close() error { return a.root.Close() }

// open opens a file of the archive, which must be a plain one.
func (a *Archive) open(name string) (*os.File, error) {
	info, err := a.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err != nil {
		return nil, err
	}
	return a.root.Open(name)
}

// read returns a file's content, which is an error beyond limit.
func (a *Archive) read(name string, limit int64) ([]byte, error) {
	f, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return content, err
}

// Verify reads the whole archive and returns the first thing that is wrong, nil if nothing is: every file that the manifest names
// is there with its size and SHA-256 and no other, every record's hash follows from the one before, and each segment ends
// where its seal says. No key is needed that opens bodies.
func (a *Archive) Verify(ctx context.Context) error {
	if err := a.checkFiles(ctx); err != nil {
		return err
	}
	sealKey, err := a.SealKey()
	if err != nil {
		return err
	}
	check := a.checkSegment
	if a.Manifest.Exchange != "" {
		check = a.checkEvidence
	}
	for _, c := range a.Manifest.Chapters {
		for _, s := range c.Segments {
			if err := check(ctx, a.Manifest.Stream(c), s, sealKey); err != nil {
				return fmt.Errorf("segment %d of %s: %w", s.Number, a.Manifest.Stream(c), err)
			}
		}
	}
	return nil
}

func (a *Archive) checkFiles(ctx context.Context) error {
	named := map[string]bool{manifestName: true, sumsName: true}
	for _, id := range a.Manifest.Keys {
		named[keyName(id)] = true
	}
	for _, f := range a.Manifest.files() {
		if err := ctx.Err(); err != nil {
			return err
		}
		named[f.Name] = true
		if err := a.checkFile(f); err != nil {
			return err
		}
	}
	sums, err := a.read(sumsName, maxManifest)
	if err != nil {
		return err
	}
	if !bytes.Equal(sums, a.Manifest.sums()) {
		return fmt.Errorf("%s does not say what the manifest says", sumsName)
	}
	return fs.WalkDir(a.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !named[name] {
			err = fmt.Errorf("file %q is not in the manifest", name)
		}
		return err
	})
}

func (a *Archive) checkFile(want ArchiveFile) error {
	f, err := a.open(want.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if size != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("file %s is not the one that the manifest names", want.Name)
	}
	return nil
}

func (a *Archive) checkSegment(ctx context.Context, stream Stream, s ArchivedSegment, sealKey ed25519.PublicKey) error {
	hashes, err := a.hashes(s)
	if err != nil {
		return err
	}
	var read sealedReader
	for line, err := range a.Lines(s) {
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
	if err := read.check(stream, s.Number, sealKey); err != nil {
		return err
	}
	if !slices.Equal(hashes, read.hashes) {
		return errors.New("the list of its hashes is not right")
	}
	if read.before() != s.Before || read.seal.Last != s.Last {
		return errors.New("its seal says something else than the manifest")
	}
	return nil
}

// KeysGone are the ids of keys that are not in the archive: their bodies can be read only where the log still has the key.
func (a *Archive) KeysGone() []string {
	return slices.DeleteFunc(slices.Clone(a.Manifest.Keys), func(id string) bool {
		_, err := a.root.Lstat(keyName(id))
		return err == nil
	})
}

var _ Source = (*Archive)(nil)

// Streams is for Source, so that Verify tells every wrong place. That the files are the manifest's, the Archive's own Verify says.
func (a *Archive) Streams(context.Context) ([]StoredStream, error) {
	var streams []StoredStream
	for _, c := range a.Manifest.Chapters {
		s := StoredStream{Stream: a.Manifest.Stream(c)}
		for _, segment := range c.Segments {
			file, err := segment.file(kindLines)
			if err != nil {
				return nil, err
			}
			s.Segments = append(s.Segments, StoredSegment{Number: segment.Number, Name: file.Name, Open: func(context.Context) (io.ReadCloser, error) { return a.unzip(file.Name) }})
		}
		if c.Before.Seq > 0 && len(c.Segments) > 0 {
			s.Begin = &Sidecar{Stream: s.Stream, Segment: c.Segments[0].Number - 1, Head: c.Before}
		}
		s.Sidecar = &Sidecar{Stream: s.Stream, Head: c.Last}
		streams = append(streams, s)
	}
	return streams, nil
}

// SealKey is the archived public key of the seals, which the manifest's signature vouches for; nil if there is none.
func (a *Archive) SealKey() (ed25519.PublicKey, error) {
	for _, f := range a.Manifest.Files {
		if f.Kind == kindSealKey {
			text, err := a.read(f.Name, f.Size)
			if err != nil {
				return nil, err
			}
			return parsePublicKey(text)
		}
	}
	return nil, nil
}

// Lines are the records of a segment and its seal, without line breaks. A line is valid until the next.
func (a *Archive) Lines(s ArchivedSegment) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		file, err := s.file(kindLines)
		if err == nil {
			err = a.lines(file.Name, func(line []byte) bool { return yield(line, nil) })
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// unzip opens a compressed file of the archive.
func (a *Archive) unzip(name string) (io.ReadCloser, error) {
	f, err := a.open(name)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return readCloser{zip, f}, nil
}

func (a *Archive) lines(name string, each func([]byte) bool) error {
	r, err := a.unzip(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	if err := eachLine(r, each); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Follow reports what is wrong between the archives of one system, in the order of their months: nil if every stream goes on where
// an earlier month left it. A stream that is missing from a month is not wrong: replicas come and go.
func Follow(months ...Manifest) error {
	type left struct {
		month Month
		head  Head
	}
	ends := map[Stream]left{}
	for i, m := range months {
		if i > 0 && m.System != months[0].System {
			return fmt.Errorf("the archive of %s is of another system, %s", m.Month, m.System)
		}
		if i > 0 && !months[i-1].Month.Before(m.Month) {
			return fmt.Errorf("the archives of %s and %s are not in order", months[i-1].Month, m.Month)
		}
		for _, c := range m.Chapters {
			stream := m.Stream(c)
			end, known := ends[stream]
			switch {
			case known && end.head.Seq != c.Before.Seq:
				return fmt.Errorf("stream %s: %s ends at record %d, %s goes on after record %d", stream, end.month, end.head.Seq, m.Month, c.Before.Seq)
			case known && end.head != c.Before:
				return fmt.Errorf("stream %s: %s and %s are parts of another chain", stream, end.month, m.Month)
			}
			ends[stream] = left{m.Month, c.Last}
		}
	}
	return nil
}
