package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/store"
)

// tokenCommand makes, lists and revokes tokens of the internal API that are kept in the database. Running replicas follow
// within seconds.
type tokenCommand struct {
	Config string      `type:"path" placeholder:"FILE" help:"Settings file."`
	Add    tokenAdd    `cmd:"" help:"Make a token and print it, this once."`
	List   tokenList   `cmd:"" help:"List the tokens in the database. Those of the settings file are not among them."`
	Revoke tokenRevoke `cmd:"" help:"End a token. Its name is not used again."`
}

type tokenAdd struct {
	Name    string        `arg:"" help:"Of the caller, for logs."`
	Scope   []string      `required:"" placeholder:"SCOPE" help:"What it allows: orders, events, mandates, settings, exchanges, ops; * for all. It may be given several times."`
	Expires time.Duration `placeholder:"DURATION" help:"How long it is valid, such as 2160h for 90 days; without it, until it is revoked."`
}

// Run is for kong.
func (a *tokenAdd) Run(ctx context.Context, c *commands) error {
	return a.add(ctx, c.Token.Config, os.Stdout)
}

func (a *tokenAdd) add(ctx context.Context, config string, out io.Writer) error {
	now := time.Now()
	var expires time.Time
	if a.Expires != 0 {
		expires = now.Add(a.Expires)
	}
	kept, secret, err := access.New(a.Name, a.Scope, now, expires, operatorName())
	if err != nil {
		return err
	}
	err = withStore(ctx, config, func(s store.Store) error {
		if err := s.AddToken(ctx, kept); err != nil {
			return err
		}
		return tellToken(ctx, s, tokenAdded, kept.Name+": "+strings.Join(kept.Scopes, " ")+", expires "+day(kept.Expires))
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "the token is kept by its hash only: copy it now")
	_, err = fmt.Fprintln(out, secret)
	return err
}

type tokenList struct{}

// Run is for kong.
func (*tokenList) Run(ctx context.Context, c *commands) error {
	return listTokens(ctx, c.Token.Config, os.Stdout)
}

func listTokens(ctx context.Context, config string, w io.Writer) error {
	return withStore(ctx, config, func(s store.Store) error {
		list, err := s.Tokens(ctx)
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "NAME\tSTATE\tSCOPES\tCREATED\tEXPIRES\tREVOKED\tBY")
		for _, t := range list {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.State(time.Now()), strings.Join(t.Scopes, " "), day(t.Created), day(t.Expires), day(t.Revoked), t.By)
		}
		return out.Flush()
	})
}

// day is a time for people, "-" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

type tokenRevoke struct {
	Name string `arg:"" help:"The token's name."`
}

// Run is for kong.
func (r *tokenRevoke) Run(ctx context.Context, c *commands) error {
	return withStore(ctx, c.Token.Config, func(s store.Store) error {
		if err := s.RevokeToken(ctx, r.Name, time.Now()); err != nil {
			return err
		}
		return tellToken(ctx, s, tokenRevoked, r.Name)
	})
}

// Kinds of security events.
const (
	tokenAdded   = "token added"
	tokenRevoked = "token revoked"
)

// tellToken writes a change of tokens that was made by command into the security log.
func tellToken(ctx context.Context, s store.Store, kind, detail string) error {
	if err := commandSecurity(s).Keep(ctx, security.Event{Kind: kind, Actor: operatorName(), Detail: detail}); err != nil {
		return fmt.Errorf("the change is made, and is not in the security log: %w", err)
	}
	return nil
}

// tokensEvery is how often the database's tokens are read: one that is revoked is refused everywhere within two seconds.
const tokensEvery = time.Second

// followTokens keeps the database's tokens in force until ctx ends. While the database is away those read last count.
func (p *Program) followTokens(ctx context.Context) {
	tick := time.NewTicker(tokensEvery)
	defer tick.Stop()
	failing := false
	for {
		err := p.readTokens(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing { // once an outage
			p.log.Warn("tokens not read; those read last count", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Program) readTokens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	list, err := p.store.Tokens(ctx)
	if err != nil {
		return err
	}
	known, err := access.Known(p.now, list)
	if err == nil {
		p.callers.stored.Store(known)
	}
	return err
}
