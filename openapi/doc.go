// Package openapi holds the descriptions of the HTTP interfaces that we serve, OpenAPI 3.0.3 (design §4,
// §8): core.yaml, the internal API. It is written by hand for whoever writes the core; openapitest holds
// running servers to it.
//
// core.json is core.yaml in JSON, members in the same order, and is rewritten by
// "go test ./openapi -update". Both are embedded, and NewHandler serves them beside a page for people.
package openapi
