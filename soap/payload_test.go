package soap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// What we must not send, by either side.
func TestAttachmentsThatCannotBeSent(t *testing.T) {
	good := func(edit func(*soap.Attachment)) []*soap.Attachment {
		a := textAttachment("a", "letter")
		edit(a)
		return []*soap.Attachment{a}
	}
	tests := []struct {
		name        string
		attachments []*soap.Attachment
		field       string
	}{
		{"nil", []*soap.Attachment{nil}, "attachment 1"},
		{"no content", good(func(a *soap.Attachment) { a.Open = nil }), "attachment 1"},
		{"no type", good(func(a *soap.Attachment) { a.ContentType = " " }), "attachment 1/Content-Type"},
		{"type on two lines", good(func(a *soap.Attachment) { a.ContentType = "a/b\r\nX: y" }), "attachment 1/Content-Type"},
		{"id on two lines", good(func(a *soap.Attachment) { a.ContentID = "a\n" }), "attachment 1/Content-ID"},
		{"header on two lines", good(func(a *soap.Attachment) { a.Header = textproto.MIMEHeader{"X": {"a\r\n\r\nb"}} }), "attachment 1/X"},
		{"name that is none", good(func(a *soap.Attachment) { a.Header = textproto.MIMEHeader{"X: y\r\nZ": {"a"}} }), "attachment 1"},
		{"equal ids", []*soap.Attachment{textAttachment("a", "1"), textAttachment("%61", "2")}, "attachment 2/Content-ID"},
		{"Include to nowhere", []*soap.Attachment{textAttachment("b", "1")}, "Include"},
		{"Include and none", nil, "Include"},
	}
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := storeCall()
			c.Attachments = test.attachments
			if test.field == "Include" {
				include(c.Body.CreateElement("document"), textAttachment("a", ""))
			}
			_, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), c)
			var failed *soap.CallError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, soap.FailedRequest, failed.Failure)
			var field *xroadhdr.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, test.field, field.Field)

			handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(func(_ context.Context, r *soap.Request, response *etree.Element) error {
				for _, a := range test.attachments {
					r.Attach(a)
				}
				if test.field == "Include" {
					include(response.CreateElement("document"), textAttachment("a", ""))
				}
				return nil
			}))
			f, reason, _ := post(t, handler, envelope(t, "")).fault(t)
			require.Equal(t, []string{"Server", soap.ReasonInternalError}, []string{f.Code, reason}, "our mistake is not the caller's")
		})
	}
	require.False(t, reached)
}

// openedOnce counts how often an attachment is opened and closed.
type openedOnce struct {
	*soap.Attachment
	opened, closed atomic.Int32
}

func counted(content io.Reader) *openedOnce {
	o := &openedOnce{Attachment: &soap.Attachment{ContentID: "a", ContentType: "a/b"}}
	o.Open = func() (io.ReadCloser, error) {
		o.opened.Add(1)
		return closing{content, &o.closed}, nil
	}
	return o
}

type closing struct {
	io.Reader
	closed *atomic.Int32
}

func (c closing) Close() error { c.closed.Add(1); return nil }

// A content that ends early leaves half a request, which nobody takes for one: that is our failure.
func TestSenderTellsBrokenAttachment(t *testing.T) {
	var whole atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole.Store(err == nil)
	}))
	sender := newSender(t, soap.SenderOptions{URL: server.URL})
	for name, content := range map[string]io.Reader{
		"at once": failingReader{},
		"later":   io.MultiReader(strings.NewReader(strings.Repeat("x", 1_000_000)), failingReader{}),
	} {
		t.Run(name, func(t *testing.T) {
			o := counted(content)
			_, err := sender.Send(t.Context(), storeCall(o.Attachment))
			var failed *soap.CallError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, soap.FailedRequest, failed.Failure)
			require.ErrorIs(t, err, errDisk)
			require.Equal(t, []int32{1, 1}, []int32{o.opened.Load(), o.closed.Load()})
		})
	}
	before, failing := counted(strings.NewReader("x")), textAttachment("b", "")
	failing.Open = func() (io.ReadCloser, error) { return nil, errDisk }
	_, err := sender.Send(t.Context(), storeCall(before.Attachment, failing))
	require.ErrorIs(t, err, errDisk)
	require.EqualValues(t, 1, before.closed.Load())
	server.Close() // waits for the handlers
	require.False(t, whole.Load())
}

// A caller that leaves while it sends has an outcome that is not known, whatever its reader then says.
func TestSenderGivenUpWhileSending(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stuck, _ := io.Pipe()
	o := counted(io.MultiReader(strings.NewReader(strings.Repeat("x", 1_000_000)), readerFunc(func(p []byte) (int, error) {
		cancel()
		return stuck.Read(p)
	})))
	open := o.Open
	o.Open = func() (io.ReadCloser, error) {
		content, err := open()
		return closers{content, stuck}, err
	}
	_, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(ctx, storeCall(o.Attachment))
	var failed *soap.CallError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, soap.FailedBroken, failed.Failure, err)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, o.closed.Load())
}

// closers closes what lies below, too.
type closers struct {
	io.ReadCloser
	below io.Closer
}

func (c closers) Close() error { return errors.Join(c.below.Close(), c.ReadCloser.Close()) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// An answer that cannot be sent whole is cut, not ended.
func TestHandlerCutsBrokenAnswer(t *testing.T) {
	exchange := &xroadhdr.Exchange{}
	o := counted(io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), failingReader{}))
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
		r.Attach(o.Attachment)
		return nil
	}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(xroadhdr.WithExchange(r.Context(), exchange)))
	}))
	_, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), storeCall())
	var failed *soap.CallError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, soap.FailedBroken, failed.Failure, err)
	server.Close()
	require.ErrorIs(t, exchange.Err, errDisk)
	require.Equal(t, soap.ReasonInternalError, exchange.Fault)
	require.EqualValues(t, 1, o.closed.Load())

	o.Open = func() (io.ReadCloser, error) { return nil, errDisk }
	f, reason, _ := post(t, handler, envelope(t, "")).fault(t)
	require.Equal(t, []string{"Server", soap.ReasonInternalError}, []string{f.Code, reason}, "before the answer began it is a fault")
}

func TestHandlerFaultsTakeNoAttachmentsAlong(t *testing.T) {
	o := counted(strings.NewReader("x"))
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
		r.Attach(o.Attachment)
		return errors.New("no")
	}))
	post(t, handler, envelope(t, "")).fault(t)
	require.Zero(t, o.opened.Load())
}

// A connection that ends inside an attachment is broken, and not the other side's mistake.
func TestSenderClassifiesAnswerCutInAttachment(t *testing.T) {
	body := multipartMessage{body: joined(soapPart(t, ""), large)}.answered().body
	for _, cut := range []int{20, 600, len(body) / 2, len(body) - 1} {
		url := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
			readRequest(r)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", related, len(body), body[:cut])
		})
		_, err := newSender(t, soap.SenderOptions{URL: url}).Send(t.Context(), storeCall())
		var failed *soap.CallError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, soap.FailedBroken, failed.Failure, err)
		require.Equal(t, http.StatusOK, failed.HTTPStatus)
	}
}

// As TestSenderNeverRepeatsOnStaleConnection, for a request that is streamed.
func TestSenderNeverRepeatsAttachments(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	reply := multipartMessage{body: joined(soapPart(t, ""))}.answered().body
	url := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for n := 0; ; n++ {
			raw, ok := readRequest(r)
			if !ok {
				return
			}
			_, id, _ := strings.Cut(string(raw), "<xrd:id>")
			id, _, _ = strings.Cut(id, "<")
			mu.Lock()
			seen[id]++
			mu.Unlock()
			if n == 1 {
				return
			}
			body := strings.Replace(reply, storedID, id, 1)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", related, len(body), body)
		}
	})
	sent := 0
	sender, err := soap.NewSender(soap.SenderOptions{URL: url, NewID: func() string { sent++; return "message-" + strconv.Itoa(sent) }})
	require.NoError(t, err)
	failures := 0
	for range 6 {
		o := counted(strings.NewReader("letter"))
		_, err := sender.Send(t.Context(), storeCall(o.Attachment))
		require.Equal(t, []int32{1, 1}, []int32{o.opened.Load(), o.closed.Load()})
		if err == nil {
			continue
		}
		failures++
		var failed *soap.CallError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, soap.FailedBroken, failed.Failure, err)
	}
	require.Equal(t, 3, failures, "every second request of a connection is lost")
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, seen, 6)
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
}

// A caller that leaves is not waited for by an answer whose content does not come.
func TestHandlerGivenUpWhileSending(t *testing.T) {
	stuck, _ := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	o := counted(io.MultiReader(strings.NewReader(strings.Repeat("x", 1_000_000)), readerFunc(func(p []byte) (int, error) {
		cancel()
		return stuck.Read(p)
	})))
	open := o.Open
	o.Open = func() (io.ReadCloser, error) {
		content, err := open()
		return closers{content, stuck}, err
	}
	server := httptest.NewServer(soap.NewHandler(soap.HandlerOptions{}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
		r.Attach(o.Attachment)
		return nil
	})))
	_, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(ctx, storeCall())
	require.ErrorIs(t, err, context.Canceled)
	server.Close() // waits for the handler
	require.EqualValues(t, 1, o.closed.Load())
}
