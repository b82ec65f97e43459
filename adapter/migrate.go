package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"ametlikudteadaanded.ee/adapter/store"
)

// migrateCommand changes the database, or says what it would change.
type migrateCommand struct {
	Config string        `type:"path" placeholder:"FILE" help:"Settings file."`
	Up     migrateUp     `cmd:"" help:"Create what the database lacks. Nothing is ever dropped."`
	Status migrateStatus `cmd:"" help:"List the migrations and whether they were applied."`
}

type migrateUp struct{}

// Run is for kong.
func (*migrateUp) Run(ctx context.Context, c *commands) error {
	return withStore(ctx, c.Migrate.Config, func(s store.Store) error {
		applied, err := s.Migrate(ctx)
		for _, name := range applied {
			fmt.Println("applied", name)
		}
		if err == nil && len(applied) == 0 {
			fmt.Println("nothing to do")
		}
		return err
	})
}

type migrateStatus struct{}

// Run is for kong.
func (*migrateStatus) Run(ctx context.Context, c *commands) error {
	return withStore(ctx, c.Migrate.Config, func(s store.Store) error {
		migrations, err := s.Status(ctx)
		for _, m := range migrations {
			word := "missing"
			if m.Applied {
				word = "applied"
			}
			fmt.Printf("%-8s %s\n", word, m.Name)
		}
		return err
	})
}

func withStore(ctx context.Context, config string, work func(store.Store) error) error {
	settings, err := loadSettings(config, os.Environ())
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, settings.Store)
	if err != nil {
		return err
	}
	return errors.Join(work(s), s.Close())
}
