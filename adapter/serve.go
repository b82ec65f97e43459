package main

import (
	"context"
	"os"
)

// serveCommand runs the adapter until it is told to stop.
type serveCommand struct {
	Config string `type:"path" placeholder:"FILE" help:"Settings file. Without it the adapter starts on its default addresses with SQLite in ./adapter.db."`
}

// Run is for kong.
func (c *serveCommand) Run(ctx context.Context) error {
	s, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	level, err := logLevel(s.Log.Level)
	if err != nil {
		return err
	}
	log := newLogger(os.Stdout, level)
	p, err := Start(ctx, s, log, Watch{})
	if err != nil && ctx.Err() != nil {
		log.Info("stopped before the database was there")
		return nil
	}
	if err != nil {
		return err
	}
	log.Info("serving", "xroad", p.Address("xroad"), "core", p.Address("core"), "ops", p.Address("ops"), "docs", "http://"+p.Address("core")+"/api/docs")
	if len(s.Core.Tokens) == 0 {
		log.Info("the internal API's token is in a file", "file", s.Core.TokenFile)
	}
	if !p.configured {
		log.Warn("EMTA's payment module is not configured: payments cannot be started; set emta.service, xroad.client and xroad.securityServer")
	}
	<-ctx.Done()
	log.Info("stopping")
	err = p.Stop()
	log.Info("stopped")
	return err
}
