package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ametlikudteadaanded.ee/adapter/store"
)

// database opens it and asks what it would be asked at a start. It makes no file, and no table but an empty one of migrations in a SQLite file that has none.
func (d *doctor) database(ctx context.Context, found *diagnosis) {
	if path, ok := strings.CutPrefix(d.settings.Store, "sqlite:"); ok && !strings.HasPrefix(path, ":") {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			folder := filepath.Dir(path)
			if _, err := os.Stat(folder); err != nil {
				found.fail("database", "make the folder of store, for the user that runs the adapter", "%s cannot be made: %v", path, err)
			} else if _, err := writable(folder); err != nil {
				found.fail("database", "give "+folder+" to the user that runs the adapter", "%s cannot be made: %v", path, err)
			} else {
				found.ok("database", "%s will be made at the first start", path)
			}
			return
		}
	}
	db, err := store.Open(ctx, d.settings.Store)
	if err != nil {
		found.fail("database", "mend the address in store; sqlite files belong to the user that runs the adapter", "cannot be opened: %v", err)
		return
	}
	defer db.Close()
	if err := db.Ping(ctx); err != nil {
		found.fail("database", adviceDatabase(err), "does not answer: %v", err)
		return
	}
	found.ok("database", "answers")
	if err := db.CheckDurability(ctx); err != nil {
		found.fail("database durability", "mend these settings (ALTER SYSTEM, or ALTER ROLE … RESET): with them a commit could be lost, and serve does not start", "%v", err)
	} else {
		found.ok("database durability", "what is committed stays")
	}
	examineSchema(ctx, db, found)
}

// examineSchema compares what is missing with what the role may do.
func examineSchema(ctx context.Context, db store.Store, found *diagnosis) {
	mayMigrate := true
	if p, ok := db.(store.Privileged); ok {
		rights, err := p.Rights(ctx)
		switch {
		case err != nil:
			found.fail("database rights", adviceDatabase(err), "cannot be asked: %v", err)
		case len(rights.Missing) > 0:
			found.fail("database rights", "as the tables' owner: GRANT USAGE ON SCHEMA atis TO the role; GRANT SELECT, INSERT, UPDATE ON atis."+strings.Join(rights.Missing, ", atis.")+" TO the role",
				"this role may not read, insert into and update %s", strings.Join(rights.Missing, ", "))
		default:
			found.ok("database rights", "this role may use all tables that are there")
		}
		mayMigrate = err != nil || rights.Migrate
	}
	migrations, err := db.Status(ctx)
	if err != nil {
		found.fail("database migrations", adviceDatabase(err), "cannot be read: %v", err)
		return
	}
	var missing []string
	for _, m := range migrations {
		if !m.Applied {
			missing = append(missing, m.Name)
		}
	}
	switch {
	case len(missing) == 0:
		found.ok("database migrations", "all %d were made", len(migrations))
	case !mayMigrate:
		found.fail("database migrations", "run adapter migrate up with the address of the role that owns schema atis: serve waits for it", "%d of %d are missing, and this role may not make them", len(missing), len(migrations))
	default:
		found.warn("database migrations", "nothing: serve makes them when it starts; or run adapter migrate up", "%d of %d are missing", len(missing), len(migrations))
	}
}

func adviceDatabase(err error) string {
	if reason := store.Passing(err); reason != "" {
		return reason + ": check host and port in store, and that the server runs and lets this machine in (pg_hba.conf)"
	}
	return "check user, password and database in store"
}
