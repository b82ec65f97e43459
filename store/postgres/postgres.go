// Package postgres keeps orders, notifications, mandates and events in PostgreSQL 14 or newer, for any number of
// replicas on one database.
//
// Tables stand in schema atis. Those of AT keep their Estonian names (EMTA §3), those of our own
// begin with adapter_. Transactions are READ COMMITTED and serialise by locks, always taken in this
// order: the places of background work (TakeOrders), the announcement (Start, Change) or EMTA's id (Notified), rows of orders, rows
// of notifications, the end of the feed; a change of mandates takes those that mandatechange.go lists. What the server undoes to
// end a deadlock is done anew.
//
// A method that returns an error of the connection may have committed: whoever called decides again
// from what is stored.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/schedule"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
)

// Settings of a session, where the url does not set them. All are shorter than the lease of an order is long
// to its holder, and than EMTA waits for the answer to a notification (60 s).
const (
	// statementTimeout ends what should take milliseconds, on the server, also when we are gone.
	statementTimeout = 10 * time.Second
	// lockTimeout is how long others may keep a row or an announcement: they need milliseconds.
	lockTimeout = 5 * time.Second
	// idleTimeout ends a transaction whose replica froze between two statements, so that its locks go.
	idleTimeout = 10 * time.Second
	// connectTimeout leaves time to try a second host of the url.
	connectTimeout = 5 * time.Second
	// networkTimeout is when the server gives up a replica that a cut network hides, with its locks.
	networkTimeout = 10 * time.Second
)

// Times of a call.
const (
	// callTime bounds a method's work when the server, or the network to it, no longer answers.
	callTime = 20 * time.Second
	// acquireTime is how long a call waits for a free connection. Who has waited so long is refused: a slow
	// database then sheds load, and its callers come again, instead of all of them waiting in line.
	acquireTime = 3 * time.Second
	// undoTime is for a ROLLBACK after the caller's context ended.
	undoTime = 2 * time.Second
)

// defaultConnections of a replica's pool: transactions take a few milliseconds, so ten serve
// thousands a second, and nine replicas fit into PostgreSQL's default of 100. The url's
// pool_max_conns sets another number.
const defaultConnections = 10

// Store is one PostgreSQL database. It is safe for concurrent use.
type Store struct {
	config *pgxpool.Config // never changed
	pool   *pgxpool.Pool
}

var (
	_ order.Store    = (*Store)(nil)
	_ event.Store    = (*Store)(nil)
	_ mandate.Store  = (*Store)(nil)
	_ schedule.Store = (*Store)(nil)
	_ setting.Store  = (*Store)(nil)
	_ access.Store   = (*Store)(nil)
	_ security.Store = (*Store)(nil)
)

// Open reads address, as in postgres://adapter@db.example:5432/at?sslmode=verify-full. Several hosts may stand in it, the one
// that can be written is taken. Parameters of the pool (pool_max_conns, pool_max_conn_lifetime, …) and of the session
// (statement_timeout, …) stand behind the question mark. No error shows a password. Open neither connects nor migrates: that the
// database is away is told by whatever is asked of it, each time anew.
func Open(ctx context.Context, address string) (*Store, error) {
	config, err := configOf(address)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &Store{config: config, pool: pool}, nil
}

func configOf(address string) (*pgxpool.Config, error) {
	// What the parsers say of an address that they cannot read quotes it, with whatever is in it.
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" {
		return nil, errors.New("postgres: the address cannot be read; want postgres://user:password@host:5432/database?sslmode=verify-full, with %XX for odd characters")
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("postgres: a part or parameter of the address is wrong: host, port, sslmode, certificates, or a pool_… parameter")
	}
	given := u.Query()
	if !given.Has("pool_max_conns") {
		config.MaxConns = defaultConnections
	}
	if !given.Has("connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if !given.Has("target_session_attrs") {
		// After a failover the old primary may be up, as a standby: it is passed over.
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	session := config.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"application_name":                    "adapter",
		"timezone":                            "UTC", // for columns without a zone, in tables that were there before
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTimeout),
		"tcp_user_timeout":                    milliseconds(networkTimeout),
	} {
		if _, ok := session[name]; !ok {
			session[name] = value
		}
	}
	return config, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Ping asks the database for an answer, and whether it can be written.
func (s *Store) Ping(ctx context.Context) error {
	var readOnly bool
	err := s.read(ctx, func(b *batch) {
		b.row("read whether the database can be written", `SELECT current_setting('transaction_read_only')::boolean`, nil, &readOnly)
	})
	if err != nil {
		return fmt.Errorf("postgres: ping: %w", err)
	}
	if readOnly {
		return fmt.Errorf("postgres: ping: %w", errReadOnly)
	}
	return nil
}

var errReadOnly = errors.New("the database is read only")

// Close waits for connections in use and ends all of them.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}
