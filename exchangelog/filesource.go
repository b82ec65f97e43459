package exchangelog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FileSource reads what Files has written below a folder, also while it is written.
type FileSource struct {
	Folder string
	System string // only this one; empty: all
}

var _ Source = FileSource{}

// Streams is for Source. A folder that is not there is an error.
func (f FileSource) Streams(context.Context) ([]StoredStream, error) {
	systems, err := os.ReadDir(f.Folder)
	if err != nil {
		return nil, err
	}
	streams := map[Stream]*StoredStream{}
	for _, e := range systems {
		if e.IsDir() && systemName(e.Name()) && (f.System == "" || f.System == e.Name()) {
			if err := readSystem(filepath.Join(f.Folder, e.Name()), e.Name(), streams); err != nil {
				return nil, err
			}
		}
	}
	list := make([]StoredStream, 0, len(streams))
	for _, s := range streams {
		slices.SortStableFunc(s.Segments, func(a, b StoredSegment) int { return a.Number - b.Number })
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b StoredStream) int { return strings.Compare(a.Stream.String(), b.Stream.String()) })
	return list, nil
}

// readSystem lists a system's sidecars and then its segments.
func readSystem(folder, system string, streams map[Stream]*StoredStream) error {
	of := func(s Stream) *StoredStream {
		if streams[s] == nil {
			streams[s] = &StoredStream{Stream: s}
		}
		return streams[s]
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, isSide := strings.CutSuffix(e.Name(), sideSuffix)
		dot := strings.LastIndexByte(name, '.')
		if !isSide || dot < 0 {
			continue
		}
		s := Stream{system, name[:dot], Part(name[dot+1:])}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil || s.check() != nil {
			continue
		}
		if at, err := parseSidecar(text); err == nil && at.Stream == s {
			of(s).Sidecar = &at
		} else if len(text) > 0 {
			of(s).Notes = append(of(s).Notes, filepath.Join(folder, e.Name())+" is no sidecar of the stream")
		}
	}
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if torn, ok := strings.CutSuffix(e.Name(), tornSuffix); ok {
			if s, _, ok := parseSegmentName(system, torn); ok {
				of(s).Notes = append(of(s).Notes, path+" holds what a crash left half written")
			}
		}
		s, number, ok := parseSegmentName(system, e.Name())
		if !ok {
			return nil
		}
		stored := of(s)
		plain := strings.TrimSuffix(path, zipped)
		for _, other := range stored.Segments {
			if strings.TrimSuffix(other.Name, zipped) == plain {
				return nil // the same, while it is being compressed; the plain one is listed first
			}
		}
		stored.Segments = append(stored.Segments, StoredSegment{Number: number, Name: path,
			Open: func(context.Context) (io.ReadCloser, error) { return openEither(path) }})
		return nil
	})
}

// openEither opens a segment that may have been compressed since it was listed.
func openEither(path string) (io.ReadCloser, error) {
	r, err := openSegment(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(path, zipped) {
		return openSegment(path + zipped)
	}
	return r, err
}
