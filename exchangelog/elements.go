package exchangelog

import (
	"encoding/xml"
	"fmt"
	"time"

	"github.com/beevik/etree"
)

// manifestElement is the root. The namespace is the manifest's own; a change that old readers would misunderstand takes a new number.
type manifestElement struct {
	XMLName   xml.Name         `xml:"https://ametlikudteadaanded.ee/adapter/archive/1 manifest"`
	System    string           `xml:"system"`
	Month     string           `xml:"month"`
	Exchange  string           `xml:"exchange,omitempty"`
	Created   string           `xml:"created"`
	CreatedBy string           `xml:"createdBy"`
	Tool      string           `xml:"tool"`
	Keys      []string         `xml:"key"`
	Files     []fileElement    `xml:"file"`
	Streams   []chapterElement `xml:"stream"`
}

type chapterElement struct {
	Replica      string           `xml:"replica,attr"`
	Part         Part             `xml:"part,attr"`
	Count        int64            `xml:"count,attr"`
	PreviousSeq  int64            `xml:"previousSeq,attr"`
	PreviousHash string           `xml:"previousHash,attr"`
	LastSeq      int64            `xml:"lastSeq,attr"`
	LastHash     string           `xml:"lastHash,attr"`
	Segments     []segmentElement `xml:"segment"`
}

type segmentElement struct {
	Number       int           `xml:"number,attr"`
	Count        int64         `xml:"count,attr"`
	PreviousSeq  int64         `xml:"previousSeq,attr"`
	PreviousHash string        `xml:"previousHash,attr"`
	LastSeq      int64         `xml:"lastSeq,attr"`
	LastHash     string        `xml:"lastHash,attr"`
	Files        []fileElement `xml:"file"`
}

type fileElement struct {
	Kind   string `xml:"kind,attr"`
	Name   string `xml:"name,attr"`
	SHA256 string `xml:"sha256,attr"`
	Size   int64  `xml:"size,attr"`
}

func encodeManifest(m Manifest) ([]byte, error) {
	e := manifestElement{System: m.System, Month: m.Month.String(), Exchange: m.Exchange, Created: m.Created.UTC().Format(time.RFC3339),
		CreatedBy: m.CreatedBy, Tool: m.Tool, Keys: m.Keys, Files: fileElements(m.Files)}
	for _, c := range m.Chapters {
		chapter := chapterElement{Replica: c.Replica, Part: c.Part, Count: c.Count(), PreviousSeq: c.Before.Seq, PreviousHash: c.Before.Hash,
			LastSeq: c.Last.Seq, LastHash: c.Last.Hash}
		for _, s := range c.Segments {
			chapter.Segments = append(chapter.Segments, segmentElement{Number: s.Number, Count: s.Last.Seq - s.Before.Seq, PreviousSeq: s.Before.Seq, PreviousHash: s.Before.Hash,
				LastSeq: s.Last.Seq, LastHash: s.Last.Hash, Files: fileElements(s.Files)})
		}
		e.Streams = append(e.Streams, chapter)
	}
	text, err := xml.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

func fileElements(files []ArchiveFile) []fileElement {
	var list []fileElement
	for _, f := range files {
		list = append(list, fileElement(f))
	}
	return list
}

// decodeManifest reads the element that validation returned, never the one that was given to it.
func decodeManifest(root *etree.Element) (Manifest, error) {
	doc := etree.NewDocument()
	doc.SetRoot(root.Copy())
	text, err := doc.WriteToBytes()
	if err != nil {
		return Manifest{}, err
	}
	var e manifestElement
	if err := xml.Unmarshal(text, &e); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	m := Manifest{System: e.System, Exchange: e.Exchange, CreatedBy: e.CreatedBy, Tool: e.Tool, Keys: e.Keys, Files: archiveFiles(e.Files)}
	if m.Month, err = ParseMonth(e.Month); err != nil {
		return m, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if m.Created, err = time.Parse(time.RFC3339, e.Created); err != nil {
		return m, fmt.Errorf("%w: created: %w", ErrManifest, err)
	}
	for _, s := range e.Streams {
		c := Chapter{Replica: s.Replica, Part: s.Part, Before: Head{s.PreviousSeq, s.PreviousHash}, Last: Head{s.LastSeq, s.LastHash}}
		for _, g := range s.Segments {
			c.Segments = append(c.Segments, ArchivedSegment{Number: g.Number, Before: Head{g.PreviousSeq, g.PreviousHash},
				Last: Head{g.LastSeq, g.LastHash}, Files: archiveFiles(g.Files)})
		}
		m.Chapters = append(m.Chapters, c)
	}
	return m, nil
}

func archiveFiles(elements []fileElement) []ArchiveFile {
	var list []ArchiveFile
	for _, f := range elements {
		list = append(list, ArchiveFile(f))
	}
	return list
}
