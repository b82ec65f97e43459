package mask

import (
	"bytes"
	"io"
	"mime/multipart"
	"slices"
	"strings"
)

// maxParts is how many parts of a message are looked at; soap takes no more attachments than that.
const maxParts = 1000

// multipart masks each part by its own content type.
func (m *Masker) multipart(boundary string, body []byte, within int) ([]byte, bool) {
	if boundary == "" {
		return nil, false
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	var out bytes.Buffer
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			out.WriteString("--" + boundary + "--\r\n")
			return out.Bytes(), n > 0
		}
		if err != nil || n == maxParts {
			return nil, false
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, false
		}
		out.WriteString("--" + boundary + "\r\n")
		names := make([]string, 0, len(part.Header))
		for name := range part.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, value := range part.Header[name] {
				out.WriteString(Text(name) + ": " + Named(name, value) + "\r\n")
			}
		}
		out.WriteString("\r\n")
		out.Write(m.part(part.Header.Get("Content-Transfer-Encoding"), part.Header.Get("Content-Type"), content, within))
		out.WriteString("\r\n")
	}
}

// part is the content of a part. One that is encoded, or not told to be anything, is masked whole.
func (m *Masker) part(encoding, contentType string, content []byte, within int) []byte {
	if len(content) == 0 {
		return content
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
		if masked, ok := m.body(contentType, content, within); ok && contentType != "" {
			return masked
		}
	}
	return []byte(Mark)
}
