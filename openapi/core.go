package openapi

import (
	_ "embed"
	"slices"
)

//go:embed core.yaml
var coreYAML []byte

//go:embed core.json
var coreJSON []byte

// Core is the description of the internal API in YAML; the caller may change the copy.
func Core() []byte { return slices.Clone(coreYAML) }

// CoreJSON is the same in JSON.
func CoreJSON() []byte { return slices.Clone(coreJSON) }
