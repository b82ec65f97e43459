package wsdl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

type handler struct {
	wsdl    document
	schemas map[string]document
}

type document struct {
	body []byte
	etag string
}

// NewHandler returns a handler that is to be mounted for GET and HEAD at the service's path and at the
// path's direct children. It answers with the WSDL that Notify renders where the query has the key wsdl,
// in any case, and with a schema where the last segment of the path is its file name; anything else is
// 404. A security server reads the WSDL here whenever it is refreshed or asked for by getWsdl
// (§7, §8.1). The error is that of Notify. The handler is safe for concurrent use.
func NewHandler(o NotifyOptions) (http.Handler, error) {
	body, err := Notify(o)
	if err != nil {
		return nil, err
	}
	h := handler{wsdl: newDocument(body), schemas: make(map[string]document)}
	files, err := schemas.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		body, _ := Schema(f.Name())
		h.schemas[f.Name()] = newDocument(body)
	}
	return h, nil
}

func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	d, ok := h.schemas[path.Base(r.URL.Path)]
	if !ok && asksForWSDL(r.URL) {
		d, ok = h.wsdl, true
	}
	if !ok {
		http.Error(w, "nothing here; the WSDL of a SOAP service is its address followed by ?wsdl", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	w.Header().Set("ETag", d.etag)
	w.Header().Set("Cache-Control", "no-cache") // may be kept, but is to be asked for again: settings change it
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
}

func asksForWSDL(u *url.URL) bool {
	for key := range u.Query() {
		if strings.EqualFold(key, "wsdl") {
			return true
		}
	}
	return false
}
