// Package openapitest holds a running server to its OpenAPI description in tests: a Checker watches
// exchanges, at the client's or at the server's side, and fails the test where one does not fit.
package openapitest
