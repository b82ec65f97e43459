package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// simulateCommand runs the simulated partners alone, for an adapter that runs beside them.
type simulateCommand struct {
	SecurityServer string        `default:"127.0.0.1:8090" placeholder:"ADDRESS" help:"Where the security server listens (${default})."`
	Control        string        `default:"127.0.0.1:8091" placeholder:"ADDRESS" help:"Where the control page listens (${default})."`
	Payer          string        `default:"127.0.0.1:8092" placeholder:"ADDRESS" help:"Where the payer's pages listen (${default})."`
	Core           string        `default:"127.0.0.1:8093" placeholder:"ADDRESS" help:"Where the core's webhook listens (${default})."`
	Paasuke        string        `default:"127.0.0.1:8094" placeholder:"ADDRESS" help:"Where Pääsuke's page listens (${default})."`
	Host           string        `placeholder:"NAME" help:"Name under which the simulators are reached. With it they may listen on other than loopback: only in a network of your own, everybody in it can pay."`
	Adapter        string        `default:"http://127.0.0.1:8080" placeholder:"URL" help:"The adapter's xroad listener (${default})."`
	API            string        `default:"http://127.0.0.1:8081" placeholder:"URL" help:"The adapter's internal API (${default})."`
	TokenFile      string        `default:"adapter.token" placeholder:"FILE" help:"The internal API's token (${default})."`
	TLS            string        `name:"tls" type:"path" placeholder:"DIR" help:"Folder of adapter testca: the security server speaks TLS, knows the adapter's certificate only, and shows its own."`
	Expiry         time.Duration `default:"15m" placeholder:"DURATION" help:"How long an order lives at EMTA (${default})."`
}

// Run is for kong.
func (c *simulateCommand) Run(ctx context.Context) error {
	options := simulator.Options{
		SecurityServerAddress: c.SecurityServer, ControlAddress: c.Control, PayerAddress: c.Payer, CoreAddress: c.Core, PaasukeAddress: c.Paasuke, Hostname: c.Host,
		PaymentModule: simulator.EMTAOptions{Expiry: c.Expiry},
	}
	if c.TLS != "" {
		if err := c.useTLS(&options); err != nil {
			return err
		}
	}
	world, err := simulator.Start(ctx, options)
	if err != nil {
		return err
	}
	attached := simulator.AdapterAddresses{EMTA: c.Adapter + emtaPath, Core: c.API, Mandates: c.Adapter + paasukePath}
	if _, err := os.Stat(c.TokenFile); err == nil {
		if attached.Token, err = tokenIn(c.TokenFile); err != nil {
			return err
		}
	}
	world.Attach(attached)
	fmt.Printf("security server  %s\ncontrol page     %s\nPääsuke          %s\nwebhook          %s\nwebhook secret   %s\n\n", world.SecurityServerURL(),
		world.ControlURL(), world.PaasukeURL(), world.WebhookURL(), world.WebhookSecret())
	fmt.Printf("Settings for the adapter:\n\n"+
		"  xroad: {securityServer: %q, client: \"ee-dev/GOV/70000310/at\"}\n"+
		"  emta: {service: \"ee-dev/GOV/70000349/mkrliides\", issue: ATPUB}\n"+
		"  paasuke: {allowedClients: [\"ee-dev/GOV/70006317/paasuke\"]}\n"+
		"  core: {webhook: {url: %q, secret: %q}}\n", world.SecurityServerURL(), world.WebhookURL(), world.WebhookSecret())
	<-ctx.Done()
	return world.Close()
}

// useTLS has the security server compare the adapter's certificate, both ways, as real ones do.
func (c *simulateCommand) useTLS(o *simulator.Options) error {
	i, err := TLS{Cert: filepath.Join(c.TLS, "security-server.pem"), Key: filepath.Join(c.TLS, "security-server.key"),
		Pinned: filepath.Join(c.TLS, "adapter.pem")}.load("--tls")
	if err != nil {
		return err
	}
	o.ListenTLS = i.serverConfig()
	o.CallTLS = clientConfig("", func() *identity { return i })
	roots, err := TLS{CA: filepath.Join(c.TLS, "ca.pem")}.load("--tls")
	if err != nil {
		return err
	}
	api, err := url.Parse(c.API)
	if err != nil {
		return fmt.Errorf("--api: %w", err)
	}
	o.CoreTransport = &http.Transport{TLSClientConfig: clientConfig(api.Hostname(), func() *identity { return roots })}
	return nil
}
