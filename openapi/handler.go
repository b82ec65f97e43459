package openapi

import (
	"fmt"
	"net/http"
)

// Where the internal API is described (design §8).
const (
	pathYAML = "/api/openapi.yaml"
	pathJSON = "/api/openapi.json"
	pathPage = "/api/docs"
)

// pagePolicy lets the page show itself and nothing else: it has no scripts and asks for nothing.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// NewHandler serves the internal API's description to everybody: GET /api/openapi.yaml, /api/openapi.json and /api/docs,
// a page for people. The error tells of a description that cannot be shown.
func NewHandler() (http.Handler, error) {
	page, err := renderPage(coreJSON)
	if err != nil {
		return nil, fmt.Errorf("description of the internal API: %w", err)
	}
	return handler{
		pathYAML: {"application/yaml", coreYAML},
		pathJSON: {"application/json", coreJSON},
		pathPage: {"text/html; charset=utf-8", page},
	}, nil
}

// handler is what is served, by path.
type handler map[string]struct {
	mediaType string
	body      []byte
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := h[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", file.mediaType)
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodGet {
		_, _ = w.Write(file.body) // whoever does not read it asks again
	}
}
