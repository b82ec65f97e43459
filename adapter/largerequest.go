package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits of what callers at the same time can make us hold (design §6). A notification has two kilobytes, and any number of
// such is served at once.
const (
	// smallRequest costs at most a megabyte as a tree, so that hundreds at a time do no harm.
	smallRequest = 16 << 10
	// largeRequests is how many longer ones are served at a time: each costs tens of megabytes while it is read.
	largeRequests = 4
)

// boundLargeRequests lets a large request wait, unread, for one of few places. Small ones never wait, whatever large ones do.
// Who has waited has the whole time anew to send.
func boundLargeRequests(whole time.Duration, next http.Handler) http.Handler {
	places := make(chan struct{}, largeRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if small(r) {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			// A connection without deadlines, as in tests of handlers, has none to move.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(whole))
			next.ServeHTTP(w, r)
		case <-r.Context().Done(): // the caller has left, or we are
			panic(http.ErrAbortHandler)
		}
	})
}

// small reports whether the body is. Where its length is not told, as security servers do not (X-Road §4.1), its beginning is
// read for that and put back.
func small(r *http.Request) bool {
	if r.ContentLength >= 0 {
		return r.ContentLength <= smallRequest
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return true // nothing reads the body of another
	}
	var start bytes.Buffer
	n, err := io.CopyN(&start, r.Body, smallRequest+1)
	ended := errors.Is(err, io.EOF)
	if err != nil {
		r.Body = readCloser{io.MultiReader(&start, failing{err}), r.Body}
	} else {
		r.Body = readCloser{io.MultiReader(&start, r.Body), r.Body}
	}
	return ended || n <= smallRequest
}

type readCloser struct {
	io.Reader
	io.Closer
}

// failing is the end of what was read: io.EOF, or why there is no more.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
