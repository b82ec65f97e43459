package exchangelog

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// The two files of an archive that the manifest does not name.
const (
	manifestName = "manifest.xml"
	sumsName     = "SHA256SUMS"
)

// Manifest says what an archive holds: the part of one month in every stream of one system. Of the evidence of one exchange it
// says the same about the segments that the exchange stands in.
type Manifest struct {
	System    string
	Month     Month
	Exchange  string        // the request id, in evidence; empty in an archive
	Created   time.Time     // whole seconds
	CreatedBy string        // who ran the command, as the caller names them
	Tool      string        // the adapter's version
	Keys      []string      // ids of the keys that bodies are encrypted with
	Files     []ArchiveFile // what belongs to no segment: keys, texts
	Chapters  []Chapter     // by replica and part
}

// Chapter is one stream's part of a month: records that follow each other without a gap.
type Chapter struct {
	Replica  string
	Part     Part
	Before   Head // the record before the first: of an earlier month, or Seq 0 where the stream begins here
	Last     Head
	Segments []ArchivedSegment // in order, none of them empty
}

// ArchivedSegment is one sealed segment. The hashes let one record be shown without the others: a record's hash is that of its
// predecessor's hash and its own bytes.
type ArchivedSegment struct {
	Number int
	Before Head // the record before the first
	Last   Head
	Files  []ArchiveFile
}

// ArchiveFile is a file by its slashed name in the archive's folder.
type ArchiveFile struct {
	Kind   string
	Name   string
	SHA256 string
	Size   int64
}

// What an ArchiveFile holds.
const (
	kindLines     = "lines"     // the segment's records and its seal, gzip
	kindHashes    = "hashes"    // each record's hash, a line each
	kindSealKey   = "sealKey"   // the public key of the seals, PEM
	kindSeal      = "seal"      // in evidence, as all that follow: what a seal's signature covers
	kindSignature = "signature" // the seal's signature, 64 bytes
	kindRecord    = "record"    // one record's line
	kindBody      = "body"      // one record's body as it passed
	kindMasked    = "masked"    // one record's message as it is kept, which is not as it passed
	kindArchive   = "archive"   // the manifest of the month's archive
	kindReadme    = "readme"
)

// ErrManifest is a manifest that its signature vouches for and that still makes no sense.
var ErrManifest = errors.New("manifest")

var (
	// archiveName keeps a file within the archive's folder, whoever signed the manifest.
	archiveName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$`)
)

// check says what is wrong with a manifest that was read.
func (m Manifest) check() error {
	if !systemName(m.System) {
		return fmt.Errorf("%w: system %q is not a name", ErrManifest, m.System)
	}
	for _, text := range []string{m.CreatedBy, m.Tool} {
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%w: it must say by whom and with what it was made, in printable characters", ErrManifest)
		}
	}
	for _, id := range m.Keys {
		if !replicaName(id) {
			return fmt.Errorf("%w: key %q is not a name", ErrManifest, id)
		}
	}
	names := map[string]bool{manifestName: true, sumsName: true}
	files := m.Files
	streams := map[Stream]bool{}
	for _, c := range m.Chapters {
		stream := m.Stream(c)
		if err := stream.check(); err != nil || streams[stream] {
			return fmt.Errorf("%w: stream %q has no right name, or stands there twice", ErrManifest, stream)
		}
		streams[stream] = true
		before := c.Before
		if before.Seq < 0 || !isHash(before.Hash) {
			return fmt.Errorf("%w: stream %s does not say what it follows", ErrManifest, stream)
		}
		for _, s := range c.Segments {
			follows := s.Before == before || m.Exchange != "" && s.Before.Seq > before.Seq && isHash(s.Before.Hash)
			if !follows || s.Last.Seq <= s.Before.Seq || !isHash(s.Last.Hash) {
				return fmt.Errorf("%w: segment %d of %s does not follow the one before", ErrManifest, s.Number, stream)
			}
			before = s.Last
			files = append(files[:len(files):len(files)], s.Files...)
		}
		if before != c.Last {
			return fmt.Errorf("%w: stream %s does not end where its last segment does", ErrManifest, stream)
		}
	}
	for _, f := range files {
		if !archiveName.MatchString(f.Name) || names[f.Name] {
			return fmt.Errorf("%w: file name %q is not allowed, or stands there twice", ErrManifest, f.Name)
		}
		names[f.Name] = true
		if f.Size < 0 || !isHash(f.SHA256) {
			return fmt.Errorf("%w: file %s has no right size or SHA-256", ErrManifest, f.Name)
		}
	}
	return nil
}

// keyName is the file of a wrapped key. It is not signed: it is wrapped anew when the master key changes, and deleted when the content is to
// be destroyed. Nobody can put another in its place who does not have the master key.
func keyName(id string) string { return keyFolder + "/" + id + keySuffix }

// files are all files that the manifest names.
func (m Manifest) files() []ArchiveFile {
	files := append([]ArchiveFile(nil), m.Files...)
	for _, c := range m.Chapters {
		for _, s := range c.Segments {
			files = append(files, s.Files...)
		}
	}
	return files
}

// add puts the next segment of a stream into its chapter.
func (m *Manifest) add(s Stream, segment ArchivedSegment) {
	if n := len(m.Chapters); n == 0 || m.Stream(m.Chapters[n-1]) != s {
		m.Chapters = append(m.Chapters, Chapter{Replica: s.Replica, Part: s.Part, Before: segment.Before})
	}
	c := &m.Chapters[len(m.Chapters)-1]
	c.Segments = append(c.Segments, segment)
	c.Last = segment.Last
}

// Stream is the stream that a chapter is of.
func (m Manifest) Stream(c Chapter) Stream { return Stream{m.System, c.Replica, c.Part} }

// Count is the number of records of all streams.
func (m Manifest) Count() int64 {
	var n int64
	for _, c := range m.Chapters {
		n += c.Count()
	}
	return n
}

// Count is the number of records.
func (c Chapter) Count() int64 {
	var n int64
	for _, s := range c.Segments {
		n += s.Last.Seq - s.Before.Seq
	}
	return n
}

// file is the segment's file of a kind.
func (s ArchivedSegment) file(kind string) (ArchiveFile, error) {
	for _, f := range s.Files {
		if f.Kind == kind {
			return f, nil
		}
	}
	return ArchiveFile{}, fmt.Errorf("%w: segment %d has no file of kind %s", ErrManifest, s.Number, kind)
}

// sums are the lines that sha256sum --check reads, of all files but the two that cannot be in it.
func (m Manifest) sums() []byte {
	var b strings.Builder
	for _, f := range m.files() {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Name)
	}
	return []byte(b.String())
}

// Sign writes the manifest as signed XML.
func (m Manifest) Sign(s *Signer) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	text, err := encodeManifest(m)
	if err != nil {
		return nil, err
	}
	return s.sign(text, m.Created)
}

// ReadManifest returns what a signed manifest says if one of the trusted certificates vouches for it and was valid
// when it was made.
func ReadManifest(text []byte, trusted []*x509.Certificate) (Manifest, error) {
	root, cert, err := validated(text, trusted)
	if err != nil {
		return Manifest{}, err
	}
	m, err := decodeManifest(root)
	if err != nil {
		return Manifest{}, err
	}
	if err := validAt(cert, m.Created); err != nil {
		return Manifest{}, err
	}
	return m, m.check()
}

// describe makes an ArchiveFile of a content.
func describe(kind, name string, content []byte) ArchiveFile {
	sum := sha256.Sum256(content)
	return ArchiveFile{Kind: kind, Name: path.Clean(name), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}
