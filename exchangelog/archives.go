package exchangelog

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// Archives are the archives below a folder, as Exporter writes them. Of each its manifest must be signed; Verify is another matter.
type Archives struct {
	Dir     string
	Trusted []*x509.Certificate
}

var _ MonthSource = Archives{}

// Months is for MonthSource.
func (a Archives) Months(_ context.Context, system string) ([]Month, error) {
	return monthsIn(filepath.Join(a.Dir, system), ParseMonth)
}

// monthsIn are the months that the names in a folder tell, earliest first; others are passed over.
func monthsIn(folder string, parse func(name string) (Month, error)) ([]Month, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var months []Month
	for _, e := range entries {
		if m, err := parse(e.Name()); err == nil && e.IsDir() {
			months = append(months, m)
		}
	}
	slices.SortFunc(months, func(a, b Month) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(months), err
}

// Open opens the archive of a month; fs.ErrNotExist where there is none.
func (a Archives) Open(system string, m Month) (*Archive, error) {
	dir := filepath.Join(a.Dir, system, m.String())
	archive, err := OpenArchive(dir, a.Trusted)
	if err == nil && (archive.Manifest.System != system || archive.Manifest.Month != m || archive.Manifest.Exchange != "") {
		err = errors.Join(fmt.Errorf("%s holds the archive of %s %s", dir, archive.Manifest.System, archive.Manifest.Month), archive.Close())
	}
	if err != nil {
		return nil, err
	}
	return archive, nil
}

// Segments is for MonthSource.
func (a Archives) Segments(_ context.Context, system string, m Month) iter.Seq2[MonthSegment, error] {
	return func(yield func(MonthSegment, error) bool) {
		archive, err := a.Open(system, m)
		if err != nil {
			yield(MonthSegment{}, err)
			return
		}
		defer archive.Close()
		for _, c := range archive.Manifest.Chapters {
			for _, s := range c.Segments {
				if !yield(MonthSegment{archive.Manifest.Stream(c), s.Number, archive.Lines(s)}, nil) {
					return
				}
			}
		}
	}
}
