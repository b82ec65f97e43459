package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// request is a checked message of a client.
type request struct {
	message     *message
	soap        []byte // the SOAP part, byte for byte: what requestHash is of
	body        []byte // the whole HTTP body
	contentType string // under which body is forwarded
	action      []string
}

// readRequest checks r as fact sheet §2.4 says, in its order. The error is a *faultError.
func readRequest(w http.ResponseWriter, r *http.Request) (*request, error) {
	if r.Method != http.MethodPost {
		return nil, clientError(refused("InvalidHttpMethod", "the method must be POST"))
	}
	if !validAction(r.Header.Values("SOAPAction")) {
		return nil, clientError(refused("InvalidSoapAction", "SOAPAction must be empty or a URI in quotes"))
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return nil, clientError(refused("InvalidRequest", "the request has no Content-Type")) // as 7.4 says it, fact sheet §5.4
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes))
	if err != nil {
		return nil, &faultError{code: "Server.ClientProxy.InternalError", text: "reading SOAP from the request failed"}
	}
	req := &request{body: body, soap: body, contentType: contentTypeXML, action: r.Header.Values("SOAPAction")}
	if refusal := req.findSOAP(contentType); refusal != nil {
		return nil, clientError(refusal)
	}
	m, refusal := readMessage(req.soap)
	if refusal != nil {
		return nil, clientError(refusal)
	}
	if m.fault {
		return nil, &faultError{code: "Client." + m.faultCode, text: textOf(m.body, "faultstring"), foreign: true}
	}
	req.message = m
	return req, nil
}

func clientError(c *checkError) error { return &faultError{code: "Client." + c.Code, text: c.Text} }

// validAction accepts no SOAPAction, an empty one, and a URI in quotes (fact sheet §5.1).
func validAction(values []string) bool {
	for _, v := range values {
		if v == "" {
			continue
		}
		if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
			return false
		}
		if _, err := url.Parse(v[1 : len(v)-1]); err != nil {
			return false
		}
	}
	return true
}

// findSOAP sets the SOAP part: the whole body, or the first MIME part (fact sheet §3.4).
func (req *request) findSOAP(contentType string) *checkError {
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return refused("InvalidContentType", "the content type cannot be read")
	case media == "text/xml", media == "application/xop+xml":
		return nil
	case media != "multipart/related":
		return refused("InvalidContentType", "content type %s is not text/xml, application/xop+xml or multipart/related", media)
	}
	req.contentType = contentType
	part, err := multipart.NewReader(bytes.NewReader(req.body), params["boundary"]).NextRawPart()
	if errors.Is(err, io.EOF) {
		return refused("MissingSoap", "the multipart message has no part")
	}
	if err != nil {
		return refused("MimeParsingFailed", "the multipart message cannot be read")
	}
	switch media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); media {
	case "text/xml", "application/xop+xml":
	default:
		return refused("InvalidContentType", "the first part is not XML")
	}
	if req.soap, err = io.ReadAll(part); err != nil {
		return refused("MimeParsingFailed", "the multipart message ends early")
	}
	return nil
}

// display is the form of identifiers in fault strings (fact sheet §1.1).
func display(kind string, parts ...string) string {
	var present []string
	for _, p := range parts {
		if p != "" {
			present = append(present, p)
		}
	}
	return fmt.Sprintf("%s:%s", kind, strings.Join(present, "/"))
}
