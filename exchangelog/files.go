package exchangelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Files keeps streams in files, a folder a system and day:
//
//	<folder>/<system>/<yyyy-mm-dd>/<replica>.<part>.<segment>.ndjson    a segment that is being written
//	<folder>/<system>/<yyyy-mm-dd>/<replica>.<part>.<segment>.ndjson.gz one that is sealed
//	<folder>/<system>/<replica>.<part>.head                             the stream's sidecar
//	<folder>/<system>/<replica>.<part>.lock                             held by the process that writes the stream
//
// A folder holds at most maxFolder files; more go into subfolders 2, 3, … of the day.
type Files struct {
	folder string
	log    *slog.Logger // may be nil
}

var _ Sink = (*Files)(nil)

// NewFiles keeps streams below the folder, which is made when it is needed. log, which may be nil, hears of segments that could not be compressed.
func NewFiles(folder string, log *slog.Logger) *Files {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Files{folder, log}
}

// maxFolder is below the 10,000 files that NA-99 allows in a folder, with room for what several replicas add at the same time.
const maxFolder = 9000

// The files are for the adapter's user and group: an auditor's account joins the group.
const (
	folderMode = 0o750
	fileMode   = 0o640
)

const (
	extension   = ".ndjson"
	zipped      = ".gz"
	tornSuffix  = ".torn"
	sideSuffix  = ".head"
	lockSuffix  = ".lock"
	partialZip  = ".tmp"
	numberWidth = 6
)

// Open is for Sink.
func (f *Files) Open(_ context.Context, s Stream) (Journal, Tail, error) {
	if err := s.check(); err != nil {
		return nil, Tail{}, err
	}
	folder := filepath.Join(f.folder, s.System)
	if err := makeFolder(folder); err != nil {
		return nil, Tail{}, err
	}
	base := filepath.Join(folder, s.Replica+"."+string(s.Part))
	lock, err := takeLock(base + lockSuffix)
	if err != nil {
		return nil, Tail{}, fmt.Errorf("%s: another process writes as replica %s (setting log.replica): %w", base+lockSuffix, s.Replica, err)
	}
	j := &fileJournal{stream: s, folder: folder, lock: lock, log: f.log}
	tail, err := j.recover(base + sideSuffix)
	if err != nil {
		return nil, Tail{}, errors.Join(err, j.Close())
	}
	return j, tail, nil
}

// makeFolder makes a folder and what is above it, durably.
func makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: is no folder", path)
	}
	return syncFolder(parent)
}

// syncFolder makes durable what was made, renamed or removed in a folder.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// segmentName is the file of a segment that is being written.
func segmentName(s Stream, number int) string {
	return fmt.Sprintf("%s.%s.%0*d%s", s.Replica, s.Part, numberWidth, number, extension)
}

// parseSegmentName reads what segmentName writes, also with .gz at its end.
func parseSegmentName(system, name string) (s Stream, number int, ok bool) {
	name, ok = strings.CutSuffix(strings.TrimSuffix(name, zipped), extension)
	if !ok {
		return s, 0, false
	}
	parts := strings.Split(name, ".")
	if len(parts) < 3 { // a replica's name may have dots
		return s, 0, false
	}
	number, err := strconv.Atoi(parts[len(parts)-1])
	s = Stream{system, strings.Join(parts[:len(parts)-2], "."), Part(parts[len(parts)-2])}
	return s, number, err == nil && number > 0 && s.check() == nil && len(parts[len(parts)-1]) >= numberWidth
}

// isDay tells a day's folder from others.
func isDay(name string) bool {
	_, err := time.Parse(time.DateOnly, name)
	return err == nil
}

// lastSegment is the path of a stream's last segment and its number; 0 where there is none. Days are looked at from the last
// until one has any of the stream's.
func lastSegment(folder string, s Stream) (path string, number int, err error) {
	days, err := os.ReadDir(folder)
	if err != nil {
		return "", 0, err
	}
	slices.Reverse(days)
	for _, day := range days {
		if !day.IsDir() || !isDay(day.Name()) {
			continue
		}
		err := filepath.WalkDir(filepath.Join(folder, day.Name()), func(at string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			if of, n, ok := parseSegmentName(s.System, e.Name()); ok && of == s && (n > number || n == number && strings.HasSuffix(path, zipped)) {
				path, number = at, n // the one without .gz is the whole one while both are there
			}
			return nil
		})
		if err != nil || number > 0 {
			return path, number, err
		}
	}
	return "", 0, nil
}

// dayFolder is where the next file of a day goes, made if needed.
func dayFolder(folder, day string) (string, error) {
	path := filepath.Join(folder, day)
	for n := 2; ; n++ {
		if err := makeFolder(path); err != nil {
			return "", err
		}
		full, err := isFull(path)
		if err != nil || !full {
			return path, err
		}
		path = filepath.Join(folder, day, strconv.Itoa(n))
	}
}

func isFull(path string) (bool, error) {
	d, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names) >= maxFolder, err
}
