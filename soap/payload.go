package soap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"

	"github.com/beevik/etree"
)

// payload is the body of a message that is sent, once: the SOAP message alone, or multipart/related with attachments, which are
// streamed (§3.4).
type payload struct {
	io.Reader
	contentType string
	length      int64 // -1: not known
	sources     []io.Closer
	failure     atomic.Pointer[error] // of a source
	closed      atomic.Bool
	close       sync.Once
}

// newPayload opens attachments, which the caller closes with the payload. content is the child of Body in message; an Include
// in it makes the message MTOM, and must lead to an attachment.
func newPayload(message []byte, content *etree.Element, attachments []*Attachment) (*payload, error) {
	if err := checkSendable(attachments); err != nil {
		return nil, err
	}
	if err := checkIncludes(content, attachments); err != nil {
		return nil, err
	}
	if len(attachments) == 0 {
		return plainPayload(message), nil
	}
	p := &payload{length: -1}
	if err := p.assemble(message, hasInclude(content), attachments); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func plainPayload(message []byte) *payload {
	return &payload{Reader: bytes.NewReader(message), contentType: ContentType, length: int64(len(message))}
}

// assemble strings the parts together. The boundary is random: no content can hold it but by accident.
func (p *payload) assemble(message []byte, mtom bool, attachments []*Attachment) error {
	var frame bytes.Buffer
	w := multipart.NewWriter(&frame)
	root := "soap." + w.Boundary()
	parameters := map[string]string{"boundary": w.Boundary(), "start": "<" + root + ">", "type": mediaXML}
	rootType := ContentType
	if mtom {
		parameters["type"], parameters["start-info"] = mediaXOP, mediaXML
		rootType = mediaXOP + `; charset=UTF-8; type="` + mediaXML + `"`
	}
	p.contentType = mime.FormatMediaType(mediaMultipart, parameters)

	header := textproto.MIMEHeader{fieldContentType: {rootType}, fieldTransferEncoding: {"8bit"}, contentIDName: {"<" + root + ">"}}
	if _, err := w.CreatePart(header); err != nil {
		return err
	}
	frame.Write(message)
	var parts []io.Reader
	for i, a := range attachments {
		if _, err := w.CreatePart(a.header()); err != nil {
			return err
		}
		content, err := a.Open()
		if err != nil {
			return fmt.Errorf("open attachment %d: %w", i+1, err)
		}
		p.sources = append(p.sources, content)
		parts = append(parts, bytes.NewReader(bytes.Clone(frame.Bytes())), &source{content, p, i + 1})
		frame.Reset()
	}
	if err := w.Close(); err != nil {
		return err
	}
	p.Reader = io.MultiReader(append(parts, &frame)...)
	return nil
}

// source reads an attachment and remembers if that failed, which is not the connection's fault.
type source struct {
	io.Reader
	payload *payload
	number  int
}

func (s *source) Read(b []byte) (int, error) {
	if s.payload.closed.Load() {
		return 0, os.ErrClosed
	}
	n, err := s.Reader.Read(b)
	if err != nil && err != io.EOF && !s.payload.closed.Load() {
		err = fmt.Errorf("read attachment %d: %w", s.number, err)
		s.payload.failure.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failed is why an attachment could not be read, nil as long as all could.
func (p *payload) failed() error {
	if err := p.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Close closes the attachments, and returns when they are. It may be called more than once, and while a transport still reads.
func (p *payload) Close() error {
	var errs []error
	p.close.Do(func() {
		p.closed.Store(true)
		for _, s := range p.sources {
			errs = append(errs, s.Close())
		}
	})
	return errors.Join(errs...)
}
