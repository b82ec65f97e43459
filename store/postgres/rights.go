package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Rights are what the role of the address may do.
type Rights struct {
	Migrate bool     // create in schema atis, or the schema itself where it is not there
	Missing []string // of the tables that are there: those that it may not read, insert into and update
}

const mayMigrate = `SELECT coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'atis'),
	has_database_privilege(current_database(), 'CREATE'))`

// missingRights leaves out partitions, which are reached through their table, and the table of migrations, which is only read.
const missingRights = `SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'atis' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'adapter_migration'
	AND (c.relname LIKE 'adapter\_%' OR c.relname LIKE 'exchange\_%' OR c.relname IN ('security_log', 'klassifikaatorid', 'maksemooduli_tellimused',
		'krediitkaardi_teavitused', 'sys_maksemoodul_logi', 'andmeandjad', 'kasutajad', 'andmeandjad_kasutajad'))
	AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'))
	ORDER BY 1`

// Rights asks the database what this role may do. It changes nothing.
func (s *Store) Rights(ctx context.Context) (Rights, error) {
	var r Rights
	err := s.read(ctx, func(b *batch) {
		b.row("ask for the right to migrate", mayMigrate, nil, &r.Migrate)
		rows(b, "ask for rights on tables", missingRights, nil, pgx.RowTo[string], &r.Missing)
	})
	if err != nil {
		return r, fmt.Errorf("postgres: rights: %w", err)
	}
	return r, nil
}
