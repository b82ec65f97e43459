package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// serveCommand runs the adapter until it is told to stop.
type serveCommand struct {
	Config string `type:"path" placeholder:"FILE" help:"Settings file. Without it the adapter starts on its default addresses with SQLite in ./adapter.db."`
}

// Run is for kong.
func (c *serveCommand) Run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	from := source{c.Config, os.Environ()}
	first, err := from.read()
	if err != nil {
		return err
	}
	s := first.Settings
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
	log.Info("serving", "xroad", p.Address("xroad"), "core", p.Address("core"), "ops", p.Address("ops"), "docs", p.url("core")+"/api/docs")
	if len(s.Core.Tokens) == 0 && s.Core.TokenFile != "" {
		log.Info("the internal API's token is in a file", "file", s.Core.TokenFile)
	}
	if !p.configured {
		log.Warn("EMTA's payment module is not configured: payments cannot be started; set emta.service, xroad.client and xroad.securityServer")
	}
	debug.FreeOSMemory() // what only starting needed
	p.follow(ctx, from, first, hangup)
	log.Info("stopping")
	err = p.Stop()
	log.Info("stopped")
	return err
}
