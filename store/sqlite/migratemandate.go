package sqlite

import (
	"context"
	"database/sql"
)

// mandateColumnsMigration is, like columnsMigration, a step that SQLite has no plain SQL for.
const mandateColumnsMigration = "00021_mandate_columns.go"

// addMandateColumns adds what AT's tables of mandates lack. Applications are the core's alone (AT-PAASUKE-004): where their table
// is, it gets its columns, and none is made.
func addMandateColumns(ctx context.Context, tx *sql.Tx) error {
	const representees, delegates, mandates, applications = "andmeandjad", "kasutajad", "andmeandjad_kasutajad", "avaldamisoiguse_taotlused"
	if err := checkKeys(ctx, tx, representees, delegates, mandates); err != nil {
		return err
	}
	columns := []column{
		{representees, "kood", "TEXT"},
		{representees, "nimi", "TEXT"},
		{delegates, "isikukood", "TEXT"},
		{delegates, "eesnimi", "TEXT"},
		{delegates, "perenimi", "TEXT"},
		{mandates, "andmeandjad_id", "INTEGER"},
		{mandates, "kasutajad_id", "INTEGER"},
		{mandates, "role", "TEXT"},
		{mandates, "staatus_kl", "TEXT NOT NULL DEFAULT 'M'"},
	}
	for _, table := range []string{mandates, applications} {
		columns = append(columns, column{table, "on_tahtajatu", "INTEGER"},
			column{table, "esindusoiguse_kehtivus_alates", "TEXT"}, column{table, "esindusoiguse_kehtivus_kuni", "TEXT"})
	}
	return addMissing(ctx, tx, columns)
}
