package soap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

const (
	// spoolMemory is how much of a message's attachments, all together, is kept in memory: a usual scanned
	// letter. What comes beyond goes to a file, so that many callers at once cannot fill the memory.
	spoolMemory = 1 << 20
	// spoolBuffer makes writes to the file of it worthwhile: parts are read by 4 KiB.
	spoolBuffer = 64 << 10
)

// spool keeps the decoded attachments of one message: the first in memory, the rest in one file without a name in
// os.TempDir, which ends with the process whatever happens. Attachments are kept one after another; then they
// may be read by many.
type spool struct {
	inMemory int64
	file     *os.File // nil: not needed so far
	end      int64    // of what is in file
	err      error    // ours: the file could not be made or written
	closed   atomic.Bool
}

// keep reads content to its end. An error that is not s.err is content's.
func (s *spool) keep(content io.Reader) (open func() (io.ReadCloser, error), size int64, err error) {
	var head bytes.Buffer
	room := spoolMemory - s.inMemory
	if _, err := io.Copy(&head, io.LimitReader(content, room+1)); err != nil {
		return nil, 0, err
	}
	if size = int64(head.Len()); size <= room {
		s.inMemory += size
		return s.opening(func() io.Reader { return bytes.NewReader(head.Bytes()) }), size, nil
	}
	begin := s.end
	size, err = s.append(io.MultiReader(&head, content))
	if err != nil {
		return nil, 0, err
	}
	return s.opening(func() io.Reader { return io.NewSectionReader(s.file, begin, size) }), size, nil
}

// append writes content to the end of the file.
func (s *spool) append(content io.Reader) (int64, error) {
	if s.file == nil {
		if s.file, s.err = newTempFile(); s.err != nil {
			s.err = fmt.Errorf("keep attachment: %w", s.err)
			return 0, s.err
		}
	}
	w := bufio.NewWriterSize(struct{ io.Writer }{s.file}, spoolBuffer) // hides ReadFrom, which would go around the buffer
	n, err := io.Copy(w, content)
	if failed := w.Flush(); failed != nil {
		s.err = fmt.Errorf("keep attachment: %w", failed)
		return 0, s.err
	}
	s.end += n
	return n, err
}

func (s *spool) opening(content func() io.Reader) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if s.closed.Load() {
			return nil, fmt.Errorf("open attachment: the message is closed: %w", os.ErrClosed)
		}
		return io.NopCloser(&spooled{content(), s}), nil
	}
}

// spooled reads one attachment while its spool is open.
type spooled struct {
	content io.Reader
	spool   *spool
}

func (r *spooled) Read(p []byte) (int, error) {
	if r.spool.closed.Load() {
		return 0, fmt.Errorf("read attachment: the message is closed: %w", os.ErrClosed)
	}
	return r.content.Read(p)
}

// close frees what is kept. It may be called more than once, and while others read.
func (s *spool) close() error {
	if s.closed.Swap(true) || s.file == nil {
		return nil
	}
	return s.file.Close()
}
