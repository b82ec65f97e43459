// Command adapter stands between an X-Road security server and the application of a public
// institution: it speaks X-Road's SOAP and REST to the outside and JSON to the inside, keeps
// what must not be lost, and repeats what may be repeated. `adapter --help` lists its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Serve         serveCommand    `cmd:"" help:"Run the adapter."`
	Demo          demoCommand     `cmd:"" help:"Run everything in one process with simulated partners, and tell what happens."`
	Simulate      simulateCommand `cmd:"" help:"Run the simulated security server, EMTA and core application alone."`
	Call          callCommand     `cmd:"" help:"Send one X-Road request from the shell and show the answer."`
	Doctor        doctorCommand   `cmd:"" help:"Try everything that a first installation gets wrong, and say what to do."`
	Configuration configCommand   `cmd:"" name:"config" help:"Check or show the settings."`
	Log           logCommand      `cmd:"" help:"Work on the exchange log."`
	Mandates      mandatesCommand `cmd:"" help:"About the mandates that Pääsuke lists and changes."`
	Token         tokenCommand    `cmd:"" help:"Make, list and revoke tokens of the internal API."`
	TestCA        testCACommand   `cmd:"" name:"testca" help:"Make certificates for trying TLS in both directions."`
	Migrate       migrateCommand  `cmd:"" help:"Bring the database up to date, or say what is missing."`

	Version kong.VersionFlag `help:"Say which version this is."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	parsed := kong.Parse(&c, kong.Name("adapter"), kong.UsageOnError(),
		kong.Description("The X-Road adapter of the official announcements (Ametlikud Teadaanded)."),
		kong.Vars{"version": thisBuild().String()}, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&c))
	parsed.FatalIfErrorf(parsed.Run())
}
