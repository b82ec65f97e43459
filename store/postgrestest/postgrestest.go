// Package postgrestest gives tests a PostgreSQL of their own. It starts one from the binaries of this machine and
// leaves nothing behind, also when a test is killed; or it uses the server that ADAPTER_TEST_POSTGRES names.
//
// ADAPTER_TEST_POSTGRES is the address of a server (postgres://…) whose user may create databases; or "required", with
// which a missing PostgreSQL is a failure; or empty: a test that needs one is skipped where there is none.
package postgrestest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const variable = "ADAPTER_TEST_POSTGRES"

// patience is for what takes at most a few seconds on a busy machine.
const patience = time.Minute

// shared is the server of all tests of this process, which ends with it.
var shared = sync.OnceValues(func() (*Server, error) {
	if address := os.Getenv(variable); isAddress(address) {
		u, err := url.Parse(address)
		return &Server{address: u}, err
	}
	return start(nil)
})

func isAddress(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// Open returns the address of an empty database on the server that all tests of the process share. It is
// dropped when the test ends.
func Open(tb testing.TB) string {
	tb.Helper()
	s, err := shared()
	check(tb, err)
	return s.Database(tb)
}

// Copy returns the address of a copy of the database at address, to which nobody may be connected.
func Copy(tb testing.TB, address string) string {
	tb.Helper()
	s, err := shared()
	check(tb, err)
	u, err := url.Parse(address)
	check(tb, err)
	return s.create(tb, " TEMPLATE "+pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize())
}

// Start starts a server for one test, with settings as in postgresql.conf ("fsync=off"). It ends with the test. It is
// never the server of ADAPTER_TEST_POSTGRES.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s, err := start(settings)
	check(tb, err)
	tb.Cleanup(s.end)
	return s
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	if os.Getenv(variable) == "" {
		tb.Skipf("SKIPPED, NOT TESTED: no PostgreSQL: %v. Install the package postgresql, or set %s to a server's address", err, variable)
	}
	tb.Fatalf("PostgreSQL for the tests: %v", err)
}

// Database returns the address of a new empty database, which is dropped when the test ends.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	return s.create(tb, " TEMPLATE template0")
}

func (s *Server) create(tb testing.TB, how string) string {
	tb.Helper()
	name := "adapter_test_" + strings.ToLower(rand.Text())
	if err := s.exec("CREATE DATABASE " + name + how); err != nil {
		tb.Fatalf("create a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			tb.Logf("drop database %s: %v", name, err)
		}
	})
	u := *s.address
	u.Path = "/" + name
	return u.String()
}

func (s *Server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.address.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// Run executes a script on the database at address.
func Run(tb testing.TB, address, script string) {
	tb.Helper()
	u, err := url.Parse(address)
	check(tb, err)
	if err := (&Server{address: u}).exec(script); err != nil {
		tb.Fatalf("run a script: %v", err)
	}
}
