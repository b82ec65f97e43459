package soap

import (
	"errors"
	"io"
)

// Errors of a meter beside those of the body below it.
var (
	errEnd           = errors.New("the body has ended")
	errTooLong       = errors.New("the body is too long")
	errHeaderTooLong = errors.New("the header of a part is too long")
)

// meter reads the body of a multipart message within limits. Its end is errEnd, at the end of a line: mime/multipart takes
// io.EOF inside the header of a part for the end of the message, and so would lose parts of one that was cut.
type meter struct {
	body   io.Reader
	left   int64 // bytes that may still come; negative: more came
	window int64 // bytes that may come while a header is read; negative: no such limit now
	read   int64
	err    error // of body, io.EOF apart
	ended  bool
	tail   string // line end that the body lacks
}

func newMeter(body io.Reader, limit int64) *meter {
	return &meter{body: body, left: limit, window: -1}
}

func (m *meter) Read(p []byte) (int, error) {
	switch {
	case m.err != nil:
		return 0, m.err
	case m.left < 0:
		return 0, errTooLong
	case m.window == 0:
		return 0, errHeaderTooLong
	case m.ended && m.tail != "":
		n := copy(p, m.tail)
		m.tail = m.tail[n:]
		return n, nil
	case m.ended:
		return 0, errEnd
	}
	if int64(len(p)) > m.left {
		p = p[:m.left+1] // one more tells that there are more
	}
	if m.window > 0 && int64(len(p)) > m.window {
		p = p[:m.window]
	}
	n, err := m.body.Read(p)
	m.read += int64(n)
	m.left -= int64(n)
	if m.window > 0 {
		m.window -= int64(n)
	}
	if n > 0 {
		m.tail = "\r\n"
		if p[n-1] == '\n' {
			m.tail = ""
		}
	}
	if err == io.EOF {
		m.ended, err = true, nil
	}
	m.err = err
	return n, err
}
