package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// sending makes what a row sends; sent is all that goes over the row's connection.
type sending func(v *victim) sent

type sent struct {
	bytes   io.Reader
	end     func(*net.TCPConn) error // what is done with the connection after the last byte; nil: it is left open
	request *http.Request            // as http.ReadResponse needs it; nil: a POST
}

// head is the beginning of a request, up to its body. The server is asked to close, so that the end of the answers shows.
func head(v *victim, method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: " + v.address + "\r\nConnection: close\r\n" +
		strings.Join(append(fields, "\r\n"), "\r\n")
}

func length(n int) string { return "Content-Length: " + strconv.Itoa(n) }

const contentTypeXML = "Content-Type: text/xml; charset=UTF-8"

// document posts a body as text/xml.
func document(body string) sending {
	return func(v *victim) sent {
		return sent{bytes: strings.NewReader(head(v, "POST", emtaPath, contentTypeXML, length(len(body))) + body)}
	}
}

// edited posts the good request with each first of a pair replaced by its second, once.
func edited(pairs ...string) sending {
	return func(v *victim) sent { return document(v.edited(pairs...))(v) }
}

func (v *victim) edited(pairs ...string) string {
	text := v.message
	for i := 0; i < len(pairs); i += 2 {
		old, replacement := pairs[i], strings.ReplaceAll(pairs[i+1], "{canary}", v.canary.URL)
		if !strings.Contains(text, old) {
			panic("the good request does not hold " + old)
		}
		text = strings.Replace(text, old, replacement, 1)
	}
	return text
}

// before posts the good request, without its XML declaration, behind something else.
func before(prologue string) sending {
	return edited(xmlDeclaration, prologue)
}

// xmlDeclaration is how the good request begins.
const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>`

// transcoded posts what becomes of the good request, after edits.
func transcoded(code func(string) string, pairs ...string) sending {
	return func(v *victim) sent { return document(code(v.edited(pairs...)))(v) }
}

// withFields posts the good request with these HTTP fields beside its length.
func withFields(fields ...string) sending {
	return func(v *victim) sent {
		return sent{bytes: strings.NewReader(head(v, "POST", emtaPath, append(fields, length(len(v.message)))...) + v.message)}
	}
}

// requested sends the good request's body with another method or target.
func requested(method, target string) sending {
	return func(v *victim) sent {
		text := head(v, method, strings.ReplaceAll(target, "{host}", v.address), contentTypeXML, length(len(v.message))) + v.message
		return sent{bytes: strings.NewReader(text), request: &http.Request{Method: method}}
	}
}

// raw sends the text as it stands, save {host}, {message} and {length}, the message's length in bytes, or {size}, the same in
// hexadecimal.
func raw(text string) sending {
	return func(v *victim) sent {
		size := len(v.message)
		r := strings.NewReplacer("{host}", v.address, "{message}", v.message, "{length}", strconv.Itoa(size), "{size}", strconv.FormatInt(int64(size), 16))
		return sent{bytes: strings.NewReader(r.Replace(text))}
	}
}

// chunked sends text as a chunked body of which the text tells the chunks.
func chunked(text string) sending {
	return raw("POST /emta HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n" + contentTypeXML + "\r\nTransfer-Encoding: chunked\r\n\r\n" + text)
}

// halfClosed sends the same and says that nothing more will come.
func halfClosed(s sending) sending {
	return func(v *victim) sent {
		a := s(v)
		a.end = (*net.TCPConn).CloseWrite
		return a
	}
}

// reset sends the same and breaks the connection.
func reset(s sending) sending {
	return func(v *victim) sent {
		a := s(v)
		a.end = func(c *net.TCPConn) error {
			if err := c.SetLinger(0); err != nil {
				return err
			}
			return c.Close()
		}
		return a
	}
}

// singly sends the same, each byte in a packet of its own.
func singly(s sending) sending {
	return func(v *victim) sent {
		a := s(v)
		a.bytes = struct{ io.Reader }{oneByte{a.bytes}}
		return a
	}
}

type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

// endless is a body of n bytes of white space, made as it is sent.
type endless struct{ left int64 }

func (r *endless) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.left))
	for i := range n {
		p[i] = ' '
	}
	r.left -= int64(n)
	return n, nil
}

// large posts n bytes and says so before.
func large(n int64) sending {
	return func(v *victim) sent {
		return sent{bytes: io.MultiReader(strings.NewReader(head(v, "POST", emtaPath, contentTypeXML, length(int(n)))), &endless{n})}
	}
}

// largeChunk posts n bytes as one chunk.
func largeChunk(n int64) sending {
	return func(v *victim) sent {
		start := head(v, "POST", emtaPath, contentTypeXML, "Transfer-Encoding: chunked") + strconv.FormatInt(n, 16) + "\r\n"
		return sent{bytes: io.MultiReader(strings.NewReader(start), &endless{n}, strings.NewReader("\r\n0\r\n\r\n"))}
	}
}

// smallChunks posts the good request in chunks of one byte.
func smallChunks(v *victim) sent {
	var b strings.Builder
	for i := range len(v.message) {
		b.WriteString("1\r\n" + v.message[i:i+1] + "\r\n")
	}
	return chunked(b.String() + "0\r\n\r\n")(v)
}

// compressed posts n bytes of white space, gzipped.
func compressed(n int64, fields ...string) sending {
	return func(v *victim) sent {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.Copy(w, &endless{n}); err != nil {
			panic(err) // into memory
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		start := head(v, "POST", emtaPath, append(fields, contentTypeXML, length(b.Len()))...)
		return sent{bytes: io.MultiReader(strings.NewReader(start), &b)}
	}
}

// utf16Of is the text in UTF-16, big or little endian.
func utf16Of(order interface{ AppendUint16([]byte, uint16) []byte }) func(string) string {
	return func(text string) string {
		var b []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			b = order.AppendUint16(b, unit)
		}
		return string(b)
	}
}

// numbered is the text n times, with {n} in it counted.
func numbered(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(text, "{n}", strconv.Itoa(i)))
	}
	return b.String()
}

// dribbles are connections whose sender never comes to an end.
type dribbles struct{ connections []net.Conn }

// dribble opens connections that stop at different places of a request.
func (v *victim) dribble(t testing.TB) *dribbles {
	t.Helper()
	whole := head(v, "POST", emtaPath, contentTypeXML, length(len(v.message))) + v.message
	d := &dribbles{}
	for _, at := range []int{0, 1, 10, 40, strings.Index(whole, "\r\n\r\n") + 3, strings.Index(whole, "<"), strings.Index(whole, "<n:"), len(whole) - 1000} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", v.address)
		require.NoError(t, err)
		_, err = io.WriteString(conn, whole[:at])
		require.NoError(t, err)
		d.connections = append(d.connections, conn)
	}
	return d
}

// oneByteMore goes on with each; those that the server has closed meanwhile stay closed.
func (d *dribbles) oneByteMore(testing.TB) {
	for _, conn := range d.connections {
		_, _ = conn.Write([]byte(" ")) // the server may have lost its patience
	}
}

func (d *dribbles) end() {
	for _, conn := range d.connections {
		_ = conn.Close()
	}
}

// crowd is many connections that send at once what else comes one by one: good requests among bombs and garbage.
func (v *victim) crowd(t *testing.T) {
	const connections = 200
	t.Run("200 connections at once", func(t *testing.T) {
		deep := v.edited("<id>", strings.Repeat("<a>", 4_000))           // a small request
		wide := v.edited("<id>", strings.Repeat("<a/>", 150_000)+"<id>") // within the limits, and so in memory as a tree
		if testing.Short() {
			wide = deep
		}
		rows := []hostileRow{
			{send: edited(), want: accepted},
			{send: document(deep), want: "MessageTooDeep message"},
			{send: edited(), want: accepted},
			{send: document("\x00"), want: "InvalidSoap message"},
			{send: edited(), want: accepted},
			{send: document(wide), want: "InvalidBody"},
			{send: edited(), want: accepted},
			{send: large(64 << 20), want: "MessageTooLarge message"},
			{send: edited(), want: accepted},
			{send: largeChunk(8 << 20), want: "MessageTooLarge message"},
		}
		if testing.Short() {
			rows[5].want = rows[1].want
		}
		figures := v.figures(t)
		answers := make([]string, connections)
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range connections {
			all.Go(func() {
				<-begin
				answers[i] = v.attack(t, rows[i%len(rows)])
			})
		}
		close(begin)
		all.Wait()
		for i, got := range answers {
			require.Equal(t, rows[i%len(rows)].want, got, fmt.Sprintf("connection %d", i))
		}
		require.Equal(t, figures, v.figures(t))
		v.probe(t, "the crowd")
	})
}
