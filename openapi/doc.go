// Package openapi holds the descriptions of the HTTP interfaces that we serve, OpenAPI 3.0.3 (design §4,
// §8): core.yaml, the internal API, written for whoever writes the core, and paasuke.yaml, the mandates services, for the
// security server and RIA. Both are written by hand; openapitest holds running servers to them.
//
// Each has a twin in JSON, members in the same order, which is rewritten by "go test ./openapi -update".
// All are embedded. NewHandler serves the internal API's beside a page for people, NewPaasukeHandler the other.
package openapi
