package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/store"
)

// logExport writes a month out, and with --drop removes it then.
type logExport struct {
	Config string `type:"path" placeholder:"FILE" help:"Settings file."`
	System string `required:"" placeholder:"NAME" help:"Whose log: emta, paasuke or core."`
	Month  string `required:"" placeholder:"YYYY-MM" help:"The month, in Estonian time; it must be over."`
	From   string `enum:",files,tables" default:"" help:"Where the log is: files or tables. Default: tables where the settings log the system there and not to files."`
	Out    string `type:"path" placeholder:"FOLDER" help:"Folder of the archives; default the settings' log.archiveDir."`
	Drop   bool   `help:"Then remove the month from the log: after the archive was read back, verified, and found to hold all that the log has."`
	By     string `placeholder:"NAME" help:"Who asks for it, for the manifest and the logs; default the user of this machine."`
}

// Run is for kong.
func (c *logExport) Run(ctx context.Context) error {
	s, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	if c.Out != "" {
		s.Log.ArchiveDir = c.Out
	}
	e, err := s.exporter(time.Now, newLogger(os.Stderr, quietLevel))
	if err != nil {
		return err
	}
	tables := c.tables(s)
	if tables && c.Out == "" {
		e.Dir = s.tableArchives()
	}
	if !c.Drop && !tables {
		return c.export(ctx, s, e, exchangelog.NewFiles(s.Log.Dir, e.Logger), os.Stdout)
	}
	return withStore(ctx, c.Config, func(st store.Store) error {
		e.Removing = tellRemoval(func(ctx context.Context, event security.Event) error {
			return st.AppendSecurity(ctx, []security.Event{event})
		}, time.Now, c.by())
		if tables {
			return c.export(ctx, s, e, exchangelog.TableMonths{MonthTables: st}, os.Stdout)
		}
		return c.export(ctx, s, e, exchangelog.NewFiles(s.Log.Dir, e.Logger), os.Stdout)
	})
}

// tables reports whether the log is in tables.
func (c *logExport) tables(s Settings) bool {
	if c.From != "" {
		return c.From == placeTables
	}
	systems, err := s.logSystems()
	return err == nil && s.logsToTables(c.System) && !slices.Contains(systems[c.System].Sinks, placeFiles)
}

func (c *logExport) by() string {
	if c.By != "" {
		return c.By
	}
	return operatorName()
}

func (c *logExport) export(ctx context.Context, s Settings, e exchangelog.Exporter, log exchangelog.MonthStore, out io.Writer) error {
	month, err := exchangelog.ParseMonth(c.Month)
	if err != nil {
		return fmt.Errorf("--month: %w", err)
	}
	folder, err := e.Export(ctx, log, c.System, month, c.by())
	switch {
	case errors.Is(err, exchangelog.ErrArchived):
		fmt.Fprintf(out, "%s %s is archived already in %s\n", c.System, month, folder)
	case err != nil:
		return fmt.Errorf("%s %s: %w", c.System, month, err)
	default:
		fmt.Fprintf(out, "%s %s is archived in %s\n", c.System, month, folder)
	}
	trusted, err := s.trusted(nil)
	if err != nil {
		return err
	}
	if _, err := verifyArchive(ctx, folder, trusted, out); err != nil || !c.Drop {
		return err
	}
	if _, err := e.Retire(ctx, log, folder, trusted, c.by()); err != nil {
		return fmt.Errorf("nothing more was removed: %w", err)
	}
	fmt.Fprintf(out, "%s %s is removed from the log\n", c.System, month)
	return nil
}
