package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
	"ametlikudteadaanded.ee/adapter/store"
)

// logSwitch writes the change into the store, as the internal API does, and replicas find it there within two seconds. It does not ask
// the API, since the settings hold tokens by their hashes only, and since it has to work while no replica answers.
type logSwitch struct {
	Config string `type:"path" placeholder:"FILE" help:"Settings file."`
	System string `arg:"" help:"emta, paasuke or core."`
	Sinks  string `arg:"" optional:"" help:"Where to: files, tables, stdout, several with commas between; both (files and tables), off, or file for what the settings file says."`
	Body   string `placeholder:"WHAT" help:"What is kept of bodies: full, masked or digest; file for what the settings file says."`
	Mode   string `placeholder:"MODE" help:"required or best-effort; file for what the settings file says."`
}

// Run is for kong.
func (c *logSwitch) Run(ctx context.Context) error {
	settings, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, settings.Store)
	if err != nil {
		return err
	}
	return errors.Join(c.change(ctx, settings, s, operatorName(), os.Stdout), s.Close())
}

// commandSecurity is the security log as commands write it: rows alone.
func commandSecurity(s store.Store) *security.Log {
	return security.New(security.Options{Store: s, Lines: slog.New(slog.DiscardHandler), Person: newPersons("").hash, Replica: replicaName(),
		Now: time.Now, Lost: func() {}})
}

// operatorName names who runs the command, in the audit.
func operatorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli:unknown"
}

func (c *logSwitch) change(ctx context.Context, settings Settings, s store.Store, by string, out io.Writer) error {
	patch, err := c.patch()
	if err != nil {
		return err
	}
	file, err := settings.runningSettings()
	if err != nil {
		return err
	}
	log := commandSecurity(s)
	running := setting.New(setting.Options{
		Store: s, File: file, Components: func() []string { return nil }, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Apply:   func(setting.Settings, string) error { return nil },
		Audit:   func(ctx context.Context, s setting.Stored) error { return log.Keep(ctx, changeEvent(ctx, s)) },
		Changed: func(setting.Stored) {},
	})
	stored, err := running.Change(ctx, patch, by, -1)
	var refused *rest.Problem
	if errors.As(err, &refused) {
		var texts []string
		for _, f := range refused.Fields {
			texts = append(texts, f.Path+" "+f.Message)
		}
		return errors.New(strings.Join(texts, "; "))
	}
	if err != nil {
		return err
	}
	now, _ := running.Current()
	system := now.Log.Systems[c.System]
	_, err = fmt.Fprintf(out, "version %d: %s goes to %s, body %s, %s; in force on running replicas within two seconds\n",
		stored.Version, c.System, orOff(system.Sinks), system.Body, system.Mode)
	return err
}

func orOff(sinks []string) string {
	if len(sinks) == 0 {
		return "nothing (off)"
	}
	return strings.Join(sinks, " and ")
}

// fromFile takes a change back.
const fromFile = "file"

// patch is the change as a JSON merge patch.
func (c *logSwitch) patch() ([]byte, error) {
	change := map[string]any{}
	switch c.Sinks {
	case "":
	case fromFile:
		change["sinks"] = nil
	case "off":
		change["sinks"] = []string{}
	case "both":
		change["sinks"] = []string{"files", "tables"}
	default:
		change["sinks"] = strings.Split(c.Sinks, ",")
	}
	for name, value := range map[string]string{"body": c.Body, "mode": c.Mode} {
		if value == fromFile {
			change[name] = nil
		} else if value != "" {
			change[name] = value
		}
	}
	if len(change) == 0 {
		return nil, errors.New("say what to change: where to, --body or --mode")
	}
	return json.Marshal(map[string]any{"log": map[string]any{"systems": map[string]any{c.System: change}}})
}
