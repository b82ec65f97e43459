package openapi

import (
	_ "embed"
	"net/http"
	"slices"
)

//go:embed paasuke.yaml
var paasukeYAML []byte

//go:embed paasuke.json
var paasukeJSON []byte

// Where the mandates services are described (design §8).
const (
	pathPaasukeYAML = "/paasuke/openapi.yaml"
	pathPaasukeJSON = "/paasuke/openapi.json"
)

// Paasuke is the description of the mandates services in YAML; the caller may change the copy.
func Paasuke() []byte { return slices.Clone(paasukeYAML) }

// PaasukeJSON is the same in JSON.
func PaasukeJSON() []byte { return slices.Clone(paasukeJSON) }

// NewPaasukeHandler serves the description of the mandates services, GET /paasuke/openapi.yaml and .json, to everybody: a security server reads
// it without an X-Road header (fact sheet §8.3). Its server's address is relative to that.
func NewPaasukeHandler() http.Handler {
	return handler{
		pathPaasukeYAML: {"application/yaml", paasukeYAML},
		pathPaasukeJSON: {"application/json", paasukeJSON},
	}
}
