package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// mostRead is the most that the program may take of one answer: its limit of 4 MiB, and what the buffers of the two
// sockets swallow.
const mostRead = 24 << 20

// badAnswer answers one call over its connection, which is closed afterwards.
type badAnswer func(*relayed)

// relay stands in front of the security server and passes everything on, but for the calls that it is armed for. Each call has
// a connection of its own.
type relay struct {
	t        testing.TB
	listener net.Listener
	next     string // the security server
	most     atomic.Int64
	wandered atomic.Int64 // requests to the address that redirects name
	running  sync.WaitGroup

	mu        sync.Mutex
	operation string
	answer    badAnswer
	sent      map[string]int // Inits by stamp
	open      map[net.Conn]bool
	closed    bool
}

func newRelay(t testing.TB) *relay {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{t: t, listener: listener, sent: map[string]int{}, open: map[net.Conn]bool{}}
	r.running.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) url() string { return "http://" + r.listener.Addr().String() + "/" }

// close ends the relay: connections to it are refused from now on.
func (r *relay) close() {
	_ = r.listener.Close() // perhaps for the second time
	r.mu.Lock()
	r.closed = true
	for conn := range r.open {
		_ = conn.Close()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// arm lets the next call of the operation have this answer.
func (r *relay) arm(operation string, answer badAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operation, r.answer = operation, answer
}

// inits is how often cpgOrderInit came with the stamp.
func (r *relay) inits(stamp string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[stamp]
}

// onceEach requires that no stamp came twice in an Init.
func (r *relay) onceEach(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for stamp, n := range r.sent {
		require.Equal(t, 1, n, "Inits of stamp %s", stamp)
	}
}

func (r *relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.open[conn] = !r.closed
		if r.closed {
			_ = conn.Close()
		}
		r.mu.Unlock()
		r.running.Go(func() {
			r.serve(conn.(*net.TCPConn))
			_ = conn.Close() // the answer may have closed it
			r.mu.Lock()
			delete(r.open, conn)
			r.mu.Unlock()
		})
	}
}

// relayed is one call under way.
type relayed struct {
	*relay
	conn *net.TCPConn
	body []byte
}

func (r *relay) serve(conn *net.TCPConn) {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	if request.URL.Path == "/elsewhere" {
		r.wandered.Add(1)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	m, fault := soap.ParseRequest(body, soap.Limits{})
	if fault != nil {
		r.t.Errorf("the program sent what is no request: %v", fault)
		return
	}
	code := m.XRoad.Service.ServiceCode
	r.mu.Lock()
	if stamp := m.Body.FindElement(".//Merchant/Stamp"); code == "cpgOrderInit" && stamp != nil {
		r.sent[stamp.Text()]++
	}
	answer := passOn
	if code == r.operation {
		answer, r.operation = r.answer, ""
	}
	r.mu.Unlock()
	answer(&relayed{r, conn, body})
}

// forwarded is what the security server answers.
func (e *relayed) forwarded() (status int, contentType string, body []byte) {
	response, err := http.Post(e.next, "text/xml; charset=UTF-8", bytes.NewReader(e.body))
	if err != nil {
		return 0, "", nil // it was cut there; so is the connection here
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, "", nil
	}
	return response.StatusCode, response.Header.Get("Content-Type"), body
}

// reply writes an answer.
func (e *relayed) reply(status int, contentType string, body []byte, fields ...string) {
	text := fmt.Sprintf("HTTP/1.1 %d %s\r\nConnection: close\r\n", status, http.StatusText(status))
	if contentType != "" {
		text += "Content-Type: " + contentType + "\r\n"
	}
	if status != http.StatusNoContent {
		text += length(len(body)) + "\r\n"
	}
	for _, f := range fields {
		text += f + "\r\n"
	}
	e.write(text + "\r\n" + string(body))
}

func (e *relayed) write(text string) {
	_, _ = io.WriteString(e.conn, text) // the program may have turned away
}

// passOn is the answer of a good relay.
func passOn(e *relayed) {
	if status, contentType, body := e.forwarded(); status != 0 {
		e.reply(status, contentType, body)
	}
}

// changed passes the answer on with what the pattern finds first replaced.
func changed(pattern string, by func(string) string) badAnswer {
	form := regexp.MustCompile(pattern)
	return func(e *relayed) {
		status, contentType, body := e.forwarded()
		at := form.FindIndex(body)
		if at == nil {
			e.t.Errorf("the answer does not hold %s: %s", pattern, body)
			return
		}
		e.reply(status, contentType, []byte(string(body[:at[0]])+by(string(body[at[0]:at[1]]))+string(body[at[1]:])))
	}
}

func replaced(pattern, text string) badAnswer {
	return changed(pattern, func(string) string { return text })
}

// made is an answer that is made of the right one's body.
func made(by func(e *relayed, body []byte)) badAnswer {
	return func(e *relayed) {
		_, _, body := e.forwarded()
		by(e, body)
	}
}

// plain is an answer that the security server knows nothing of; the call has reached it all the same.
func plain(status int, contentType, body string, fields ...string) badAnswer {
	return made(func(e *relayed, _ []byte) { e.reply(status, contentType, []byte(body), fields...) })
}

// verbatim writes these bytes.
func verbatim(text string) badAnswer { return made(func(e *relayed, _ []byte) { e.write(text) }) }

// streamed never ends, as fast as the program reads.
func streamed(contentType, text string) badAnswer {
	return func(e *relayed) {
		e.write("HTTP/1.1 200 OK\r\nContent-Type: " + contentType + "\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := []byte(fmt.Sprintf("%x\r\n", 1<<16) + strings.Repeat(text, 1<<16/len(text)+1)[:1<<16] + "\r\n")
		e.flood(chunk)
	}
}

// flooded repeats text behind a beginning, without end.
func flooded(beginning, text string) badAnswer {
	return func(e *relayed) {
		e.write(beginning)
		e.flood([]byte(strings.Repeat(text, 1<<12)))
	}
}

func (e *relayed) flood(chunk []byte) {
	var written int64
	for {
		n, err := e.conn.Write(chunk)
		written += int64(n)
		if err != nil {
			break
		}
	}
	for most := e.most.Load(); written > most && !e.most.CompareAndSwap(most, written); most = e.most.Load() {
	}
}

// dripping writes the right answer so slowly that its end is never reached in time.
func dripping(e *relayed) {
	_, _, body := e.forwarded()
	e.write("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
	for i := 0; ; i = (i + 1) % len(body) {
		if _, err := fmt.Fprintf(e.conn, "1\r\n%s\r\n", body[i:i+1]); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // the pace of the answer
	}
}

// silent does what it is asked and never answers.
func silent(e *relayed) {
	e.forwarded()
	_, _ = io.Copy(io.Discard, e.conn) // until the program has had enough
}

// broken resets the connection, after what it has written.
func broken(text string) badAnswer {
	return func(e *relayed) {
		e.forwarded()
		e.write(text)
		_ = e.conn.SetLinger(0) // Close then sends a reset
	}
}

// brokenAtOnce resets the connection before anybody has heard of the call.
func brokenAtOnce(e *relayed) { _ = e.conn.SetLinger(0) }
