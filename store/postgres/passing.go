package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// Passing says in words what of err passes while one waits, "" where waiting does not help.
func Passing(err error) string {
	const (
		away     = "the database does not answer"
		readOnly = "the database refuses writes: it is a standby, or being switched over"
	)
	var refused *pgconn.PgError
	var unconnected *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return passingCode(refused.Code, readOnly)
	case errors.Is(err, errReadOnly), errors.Is(err, pgconn.ErrReadOnlyConnection):
		return readOnly
	case errors.As(err, &unconnected), errors.As(err, &network), pgconn.SafeToRetry(err), pgconn.Timeout(err),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return away
	}
	return ""
}

// passingCode does the same for a SQLSTATE of the server's. What is wrong with the address, a password or the name of a
// database, is no matter of time.
func passingCode(code, readOnly string) string {
	const (
		connectionException   = "08"
		insufficientResources = "53"
		operatorIntervention  = "57" // it shuts down, or comes up; a statement took too long
		lockNotAvailable      = "55P03"
	)
	switch {
	case code == readOnlyTransaction:
		return readOnly
	case code == insufficientRight:
		return "the role that serves lacks a right: run adapter migrate up as the role that owns schema atis, and grant what is new"
	case code == lockNotAvailable:
		return "a table is locked by others"
	}
	switch code[:min(2, len(code))] {
	case connectionException, insufficientResources, operatorIntervention:
		return "the database does not take our requests: it is overloaded, going down or coming up"
	}
	return ""
}
