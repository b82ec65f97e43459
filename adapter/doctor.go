package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// doctorCommand tries everything that a first installation gets wrong, and says in words what to do. It changes nothing and
// may be run beside an adapter that serves.
type doctorCommand struct {
	Config string `type:"path" placeholder:"FILE" help:"Settings file."`
	JSON   bool   `name:"json" help:"Print the findings as JSON."`
}

// errDoctor says that what is wrong was told already.
var errDoctor = errors.New("something is wrong: see the lines with FAIL")

// Run is for kong.
func (c *doctorCommand) Run(ctx context.Context) error {
	return c.run(ctx, os.Environ(), os.Stdout)
}

func (c *doctorCommand) run(ctx context.Context, environment []string, out io.Writer) error {
	d := &diagnosis{}
	if s, err := loadSettings(c.Config, environment); err != nil {
		d.fail("settings", "mend this key, then run the doctor again: nothing else can be tried before", "%v", err)
	} else {
		d.ok("settings", "can be read")
		newDoctor(s).examine(ctx, d)
	}
	if err := d.print(out, c.JSON); err != nil {
		return err
	}
	if d.failed() {
		return errDoctor
	}
	return nil
}

// doctor tries the settings. What it tries with may be replaced by tests.
type doctor struct {
	settings Settings
	now      func() time.Time
	resolve  func(ctx context.Context, host string) ([]string, error)
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	listen   func(ctx context.Context, address string) (net.Listener, error)
	free     func(folder string) (free, all uint64, err error)
	within   time.Duration // bounds each check
}

func newDoctor(s Settings) *doctor {
	return &doctor{
		settings: s, now: time.Now, resolve: net.DefaultResolver.LookupHost, dial: new(net.Dialer).DialContext, free: freeSpace, within: checkTimeout,
		listen: func(ctx context.Context, address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", address)
		},
	}
}

// checkTimeout: a security server asks another one across the country within it.
const checkTimeout = 20 * time.Second

// examine makes all checks. They are independent: each is made whatever the others found.
func (d *doctor) examine(ctx context.Context, found *diagnosis) {
	d.make(ctx, found, d.ports, d.identifiers, d.folders, d.space)
	d.tryOut(ctx, found)
	d.make(ctx, found, d.methods, d.registered, d.roundTrip)
}

// tryOut makes the checks of `config check`: what the settings name is there and answers.
func (d *doctor) tryOut(ctx context.Context, found *diagnosis) {
	d.make(ctx, found, d.names, d.certificates, d.logKeys, d.database, d.securityServer, d.webhook)
}

func (d *doctor) make(ctx context.Context, found *diagnosis, checks ...func(context.Context, *diagnosis)) {
	for _, check := range checks {
		within, cancel := context.WithTimeout(ctx, d.within)
		check(within, found)
		cancel()
	}
}

// grade of a finding.
type grade string

// The grades. Only FAIL counts for the exit status.
const (
	gradeOK   grade = "ok"
	gradeWarn grade = "warn"
	gradeFail grade = "FAIL"
)

// finding is what one check found.
type finding struct {
	Check  string `json:"check"`
	Grade  grade  `json:"grade"`
	Tried  string `json:"tried"`            // what was tried and what came of it
	Advice string `json:"advice,omitempty"` // what to do
}

// diagnosis is what the doctor found, in the order of trying.
type diagnosis struct{ findings []finding }

func (d *diagnosis) ok(check, tried string, args ...any) {
	d.findings = append(d.findings, finding{check, gradeOK, inOneLine(tried, args...), ""})
}

func (d *diagnosis) warn(check, advice, tried string, args ...any) {
	d.findings = append(d.findings, finding{check, gradeWarn, inOneLine(tried, args...), advice})
}

func (d *diagnosis) fail(check, advice, tried string, args ...any) {
	d.findings = append(d.findings, finding{check, gradeFail, inOneLine(tried, args...), advice})
}

// maxTried is room for any honest error; a partner's fault may have megabytes.
const maxTried = 1000

// inOneLine: errors of databases have several.
func inOneLine(format string, args ...any) string {
	text := []rune(strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
	if len(text) > maxTried {
		text = append(text[:maxTried], '…')
	}
	return string(text)
}

func (d *diagnosis) failed() bool {
	for _, f := range d.findings {
		if f.Grade == gradeFail {
			return true
		}
	}
	return false
}

// print writes a line a finding, or all as one JSON object. Nothing in the lines is what a terminal obeys.
func (d *diagnosis) print(out io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"ok": !d.failed(), "findings": d.findings})
	}
	for _, f := range d.findings {
		line := fmt.Sprintf("%-4s  %s: %s", f.Grade, f.Check, f.Tried)
		if f.Advice != "" {
			line += ". To do: " + f.Advice
		}
		if _, err := fmt.Fprintln(out, oneLine(line)); err != nil {
			return err
		}
	}
	return nil
}

// remoteAlert is the alert with which the other side ended a handshake, "" where it did not.
func remoteAlert(err error) string {
	var operation *net.OpError
	var alert tls.AlertError
	if errors.As(err, &operation) && operation.Op == "remote error" {
		return operation.Err.Error()
	}
	if errors.As(err, &alert) {
		return alert.Error()
	}
	return ""
}
