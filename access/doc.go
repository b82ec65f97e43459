// Package access is about who may call the internal API: bearer tokens that are kept in the database by their hashes, made and
// revoked by command while the program runs.
package access
