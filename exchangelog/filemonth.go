package exchangelog

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var _ MonthStore = (*Files)(nil)

// monthFile is a file of a month's folders.
type monthFile struct {
	path    string
	stream  Stream
	segment int
}

// Months is for MonthSource.
func (f *Files) Months(_ context.Context, system string) ([]Month, error) {
	return monthsIn(filepath.Join(f.folder, system), func(day string) (Month, error) {
		if !isDay(day) {
			return Month{}, errors.New("not a day")
		}
		return ParseMonth(day[:len("2006-01")])
	})
}

// Segments is for MonthSource: the segments in the folders of the month's days.
func (f *Files) Segments(ctx context.Context, system string, m Month) iter.Seq2[MonthSegment, error] {
	return func(yield func(MonthSegment, error) bool) {
		files, err := f.month(system, m)
		if err != nil {
			yield(MonthSegment{}, err)
			return
		}
		for _, file := range files {
			if !yield(MonthSegment{file.stream, file.segment, linesOf(file.path)}, nil) {
				return
			}
		}
	}
}

// month lists the segments of a month, by stream and number. Of one that is being compressed the file that is surely whole counts.
func (f *Files) month(system string, m Month) ([]monthFile, error) {
	days, err := f.days(system, m)
	if err != nil {
		return nil, err
	}
	var files []monthFile
	for _, day := range days {
		err := filepath.WalkDir(day, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			if s, n, ok := parseSegmentName(system, e.Name()); ok {
				files = append(files, monthFile{path, s, n})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b monthFile) int {
		return cmp.Or(cmp.Compare(a.stream.Replica, b.stream.Replica), cmp.Compare(a.stream.Part, b.stream.Part), cmp.Compare(a.segment, b.segment),
			cmp.Compare(a.path, b.path))
	})
	return slices.CompactFunc(files, func(a, b monthFile) bool { return b.path == a.path+zipped }), nil
}

// days are the folders of a month's days.
func (f *Files) days(system string, m Month) ([]string, error) {
	if !systemName(system) {
		return nil, fmt.Errorf("system %q is not a name", system)
	}
	folder := filepath.Join(f.folder, system)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var days []string
	for _, e := range entries {
		if e.IsDir() && isDay(e.Name()) && m.Has(e.Name()) {
			days = append(days, filepath.Join(folder, e.Name()))
		}
	}
	return days, err
}

// linesOf are the lines of a segment's file.
func linesOf(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		reader, err := openEither(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer reader.Close()
		if err := eachLine(reader, func(line []byte) bool { return yield(line, nil) }); err != nil {
			yield(nil, fmt.Errorf("%s: %w", path, err))
		}
	}
}

// eachLine calls each with every line, without its line break, until it returns false. A last line without a line break
// is one that was not written whole, and an error.
func eachLine(r io.Reader, each func([]byte) bool) error {
	input := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	for {
		part, err := input.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			if long = append(long, part...); len(long) > maxArchivedLine {
				return errors.New("a line is too long")
			}
			continue
		}
		if err == io.EOF && len(long)+len(part) == 0 {
			return nil
		}
		if err == io.EOF {
			return errors.New("the last line is not whole")
		}
		if err != nil {
			return err
		}
		line := part[:len(part)-1]
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if !each(line) {
			return nil
		}
		long = long[:0]
	}
}

// removedFolder holds the manifests of the months of a system that were removed.
const removedFolder = "archived"

// Removed is for MonthStore: the manifests in <folder>/<system>/archived.
func (f *Files) Removed(_ context.Context, system string) (map[Month][]byte, error) {
	if !systemName(system) {
		return nil, fmt.Errorf("system %q is not a name", system)
	}
	folder := filepath.Join(f.folder, system, removedFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	removed := map[Month][]byte{}
	for _, e := range entries {
		m, nameErr := ParseMonth(strings.TrimSuffix(e.Name(), ".xml"))
		if nameErr != nil || err != nil || !e.Type().IsRegular() {
			continue // what a crash left
		}
		removed[m], err = os.ReadFile(filepath.Join(folder, e.Name()))
	}
	return removed, err
}

// keepManifest keeps a manifest durably, whole or not at all.
func (f *Files) keepManifest(system string, m Month, manifest []byte) error {
	folder := filepath.Join(f.folder, system, removedFolder)
	if err := makeFolder(folder); err != nil {
		return err
	}
	partial, err := os.CreateTemp(folder, partialPrefix)
	if err != nil {
		return err
	}
	_, err = partial.Write(manifest)
	err = errors.Join(err, partial.Chmod(fileMode), partial.Sync(), partial.Close())
	if err == nil {
		err = os.Rename(partial.Name(), filepath.Join(folder, m.String()+".xml"))
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial.Name()))
	}
	return syncFolder(folder)
}

// MayRemove is for MonthStore.
func (f *Files) MayRemove(context.Context) error { return nil }

// Remove is for MonthStore. The files of the month go, and with them the folders of its days; what was put aside after a crash,
// which no archive holds, stays. Streams whose last record goes too are told so: their next writer goes on after it.
func (f *Files) Remove(_ context.Context, r Removal) error {
	system, m := r.System, r.Month
	if err := f.keepManifest(system, m, r.Text); err != nil {
		return err
	}
	files, err := f.month(system, m)
	if err != nil {
		return err
	}
	streams := map[Stream]bool{}
	for _, file := range files {
		streams[file.stream] = true
		if err := os.Remove(file.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Remove(file.path + zipped); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for s := range streams {
		if err := f.continues(s); err != nil {
			return err
		}
	}
	days, err := f.days(system, m)
	for _, day := range days {
		removeEmpty(day)
	}
	return errors.Join(err, syncFolder(filepath.Join(f.folder, system)))
}

// continues lets a stream that has no file any more, and no writer now, go on after what its sidecar tells.
func (f *Files) continues(s Stream) error {
	folder := filepath.Join(f.folder, s.System)
	if _, number, err := lastSegment(folder, s); err != nil || number > 0 {
		return err
	}
	base := filepath.Join(folder, s.Replica+"."+string(s.Part))
	lock, err := takeLock(base + lockSuffix)
	if err != nil {
		return nil // its writer is there, and knows where it is
	}
	defer lock.Close()
	side, at, ok, err := openSide(base + sideSuffix)
	if err != nil {
		return err
	}
	if ok {
		at.Count = 0
		err = side.write(at)
	}
	return errors.Join(err, side.close())
}

// removeEmpty removes a day's folder and its subfolders as far as nothing is in them.
func removeEmpty(day string) {
	entries, _ := os.ReadDir(day)
	for _, e := range entries {
		if e.IsDir() {
			_ = os.Remove(filepath.Join(day, e.Name()))
		}
	}
	_ = os.Remove(day)
}
