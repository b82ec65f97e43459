package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// demoCommand runs a scripted day on a throwaway database with simulated partners.
type demoCommand struct {
	Once bool `help:"Leave when the day is over: exit status 0 only if everything came out right."`
}

// Run is for kong.
func (c *demoCommand) Run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "adapter-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	d := &demo{narrator: &narrator{out: os.Stdout, now: time.Now}}
	if err := d.start(ctx, folder, !c.Once); err != nil {
		return errors.Join(err, d.stop())
	}
	err = d.day(ctx)
	if err == nil && !c.Once {
		d.text("\nEverything stays up until you press Ctrl-C:")
		d.text("   %-36s %s", "http://"+d.program.Address("core")+"/api/docs", "the internal API, described")
		d.text("   %-36s %s", d.world.ControlURL(), "the simulators: orders, the payer's pages, what may go wrong")
		d.text("   %-36s %s", d.world.PaasukeURL(), "eesti.ee, simulated: give, waive, withdraw and pass on mandates")
		d.text("   %-36s %s", "http://"+d.program.Address("ops")+"/status", "the adapter's own state")
		d.text("   %-36s %s", "http://"+d.program.Address("xroad")+emtaPath+"?wsdl", "the WSDL of cpgOrderNotify")
		d.text("   %-36s %s", "http://"+d.program.Address("xroad")+paasukePath+"/openapi.yaml", "what Pääsuke may call")
		d.text("   the internal API's token: %s", filepath.Join(folder, "adapter.token"))
		<-ctx.Done()
	}
	return errors.Join(err, d.stop())
}

// demo is the adapter and its simulated partners in one process.
type demo struct {
	*narrator
	world    *simulator.World
	program  *Program
	scenes   int
	wrong    int
	sequence int64 // of announcements
}

// demoExpiry is how long an order lives in the demo; EMTA's lives 15 minutes.
const demoExpiry = 15 * time.Second

// start brings the partners up first, then the adapter. fixed takes design §8's addresses if they are free.
func (d *demo) start(ctx context.Context, folder string, fixed bool) error {
	var err error
	d.world, err = simulator.Start(ctx, simulator.Options{PaymentModule: simulator.EMTAOptions{Expiry: demoExpiry}})
	if err != nil {
		return err
	}
	s := demoSettings(d.world, folder)
	s.Log.Level = "error" // the narrator tells the rest
	s.Log.SealKey = filepath.Join(folder, "seal.pem")
	if err := newSealKey(s.Log.SealKey); err != nil {
		return err
	}
	if fixed {
		s.Listen = defaultSettings().Listen
	}
	if err := s.check(); err != nil {
		return err
	}
	log := newLogger(os.Stderr, slog.LevelError)
	watch := Watch{Inbound: d.inbound, Outbound: d.outbound, Webhook: d.webhook(http.DefaultTransport)}
	d.program, err = Start(ctx, s, log, watch)
	if err != nil && fixed { // another program has the addresses
		s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
		d.program, err = Start(ctx, s, log, watch)
	}
	if err != nil {
		return err
	}
	token, err := tokenIn(s.Core.TokenFile)
	if err != nil {
		return err
	}
	d.world.Attach(simulator.AdapterAddresses{
		EMTA: "http://" + d.program.Address("xroad") + emtaPath, Core: "http://" + d.program.Address("core"), Token: token,
		Mandates: "http://" + d.program.Address("xroad") + paasukePath,
	})
	return nil
}

// demoSettings are the settings of a real installation but for shorter times.
func demoSettings(w *simulator.World, folder string) Settings {
	s := defaultSettings()
	s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	s.Store = "sqlite:" + filepath.Join(folder, "adapter.db")
	s.XRoad.SecurityServer = w.SecurityServerURL()
	s.XRoad.Client = "ee-dev/GOV/70000310/at"
	s.EMTA.Service = "ee-dev/GOV/70000349/mkrliides"
	s.EMTA.Issue = "ATPUB"
	s.EMTA.MerchantName = "ATPUB"
	s.EMTA.Timeout = 2 * time.Second
	s.EMTA.ReuseMinimum = time.Second
	s.EMTA.DefaultExpiry = demoExpiry
	s.EMTA.Sync = Sync{Delays: []time.Duration{time.Second, time.Second, 2 * time.Second, 4 * time.Second, 10 * time.Second},
		ListDelays: []time.Duration{time.Second, 2 * time.Second}, Parallel: 4}
	s.Paasuke.AllowedClients = []string{"ee-dev/GOV/70006317/paasuke"}
	s.Core.TokenFile = filepath.Join(folder, "adapter.token")
	s.Log.Dir = filepath.Join(folder, "logs")
	s.Core.Webhook = Webhook{URL: w.WebhookURL(), Secret: w.WebhookSecret()}
	return s
}

func (d *demo) stop() error {
	var err error
	if d.program != nil {
		err = d.program.Stop()
	}
	if d.world != nil {
		err = errors.Join(err, d.world.Close())
	}
	return err
}

// errWrong says that the day did not come out right; what did not was told as it happened.
var errWrong = errors.New("something did not come out right")

// day plays the scenes one after another.
func (d *demo) day(ctx context.Context) error {
	begin := time.Now()
	d.text("The adapter, with a simulated security server, payment module (EMTA), Pääsuke and core application.")
	d.text("Every message below crossed a real socket; nothing else is real: %s", "no money, no persons.")
	for _, s := range d.script() {
		d.scenes++
		d.text("\n%2d. %s", d.scenes, s.title)
		if err := s.play(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.wrong++
			d.text("   WRONG: %v", err)
		}
	}
	d.text("\n%d scenes, %d right, %d wrong, in %.0f s.", d.scenes, d.scenes-d.wrong, d.wrong, time.Since(begin).Seconds())
	if d.wrong > 0 {
		return fmt.Errorf("%w: %d of %d scenes", errWrong, d.wrong, d.scenes)
	}
	return nil
}
