package exchangelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// fileJournal is the end of one stream in files.
type fileJournal struct {
	stream  Stream
	folder  string // of the system
	lock    *os.File
	side    *sideFile
	log     *slog.Logger
	zipping sync.WaitGroup

	file    *os.File // the open segment; nil: none
	path    string
	end     int64 // of what was added
	durable int64 // of what was made durable
	at      Sidecar
}

// Append is for Journal.
func (j *fileJournal) Append(_ context.Context, b Batch) error {
	if j.file == nil {
		if err := j.create(b.Segment, b.Day); err != nil {
			return err
		}
	}
	if err := j.check(); err != nil {
		return err
	}
	n, err := j.file.Write(b.Text)
	if err != nil {
		return j.undo(err)
	}
	j.end += int64(n)
	j.at = Sidecar{Stream: j.stream, Segment: b.Segment, Count: b.Count, Head: b.Head}
	return nil
}

// create begins the file of a segment.
func (j *fileJournal) create(segment int, day string) error {
	folder, err := dayFolder(j.folder, day)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, segmentName(j.stream, segment))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	if err := syncFolder(folder); err != nil {
		return errors.Join(err, file.Close())
	}
	j.file, j.path, j.end, j.durable = file, path, 0, 0
	return nil
}

// check finds that the file was taken away or changed while we write it. One that was taken away is put back: what it held
// can still be read.
func (j *fileJournal) check() error {
	ours, err := j.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(j.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return j.putBack()
	case err != nil:
		return err
	case !os.SameFile(ours, there):
		return fmt.Errorf("%s: was replaced by another file", j.path)
	case ours.Size() != j.end:
		return fmt.Errorf("%s: has %d bytes, and %d were written", j.path, ours.Size(), j.end)
	}
	return nil
}

// putBack writes the file that was removed anew, from what is still open, and goes on in it.
func (j *fileJournal) putBack() error {
	j.log.Error("exchange log file was removed while it was written, and is put back", "file", j.path)
	if err := makeFolder(filepath.Dir(j.path)); err != nil {
		return err
	}
	file, err := os.OpenFile(j.path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, io.NewSectionReader(j.file, 0, j.end))
	if err == nil {
		err = errors.Join(file.Sync(), syncFolder(filepath.Dir(j.path)))
	}
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(j.path))
	}
	_ = j.file.Close()
	j.file, j.durable = file, j.end
	return nil
}

// undo takes back what a failed write or sync may have left, so that it is not there twice when it is written again.
func (j *fileJournal) undo(cause error) error {
	if err := j.file.Truncate(j.durable); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// Sync is for Journal. What a failed sync leaves is not trusted: the kernel may have dropped it.
func (j *fileJournal) Sync(context.Context) error {
	if j.file == nil || j.durable == j.end {
		return nil
	}
	if err := j.file.Sync(); err != nil {
		return j.undo(err)
	}
	j.durable = j.end
	return j.side.write(j.at)
}

// Seal is for Journal. The segment is compressed beside what comes next.
func (j *fileJournal) Seal(ctx context.Context, s Seal, line []byte) error {
	if err := j.check(); err != nil {
		return err
	}
	n, err := j.file.Write(line)
	if err != nil {
		return j.undo(err)
	}
	j.end += int64(n)
	j.at = Sidecar{Stream: s.Stream, Segment: s.Segment, Count: s.Count, Head: s.Last, Sealed: true}
	if err := j.Sync(ctx); err != nil {
		return err
	}
	path, file := j.path, j.file
	j.file, j.path = nil, ""
	if err := file.Close(); err != nil {
		return err
	}
	j.compress(path)
	return nil
}

func (j *fileJournal) compress(path string) {
	j.zipping.Go(func() {
		if err := compress(path); err != nil {
			j.log.Warn("exchange log segment not compressed; the next start tries again", "file", path, "error", err)
		}
	})
}

// Close is for Journal.
func (j *fileJournal) Close() error {
	j.zipping.Wait()
	var errs []error
	if j.file != nil {
		errs = append(errs, j.file.Close())
		j.file = nil
	}
	if j.side != nil {
		errs = append(errs, j.side.close())
	}
	return errors.Join(append(errs, j.lock.Close())...)
}
