//go:build unix

package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// partnerFaults are what EMTA, the security servers and the core do wrong. What payers do is in traffic: they pay after a
// cancel, are refunded, start twice at once, and walk away.
func (c *chaos) partnerFaults() []mishap {
	emta := c.world.EMTA
	mode := func(m simulator.NotifyMode) func(*testing.T, *rand.Rand) func() {
		return func(*testing.T, *rand.Rand) func() {
			emta.SetNotifyMode(m)
			return func() { emta.SetNotifyMode(simulator.NotifyAlways) }
		}
	}
	return []mishap{
		{name: "EMTA notifies again and again", family: "notifications", begin: mode(simulator.NotifyRepeat)},
		{name: "EMTA does not notify", family: "notifications", begin: mode(simulator.NotifyNever)},
		{name: "EMTA withholds notifications, then sends them in another order", family: "notifications", begin: func(t *testing.T, rng *rand.Rand) func() {
			emta.SetNotifyMode(simulator.NotifyManual)
			return func() {
				c.deliverShuffled(t.Context(), rng)
				emta.SetNotifyMode(simulator.NotifyAlways) // and once more, since what was delivered by hand still waits
			}
		}},
		{name: "answers of EMTA get lost", family: "answers", begin: c.spoilt(func(rng *rand.Rand) simulator.Mischief {
			return simulator.Mischief{CutAfter: true}
		})},
		{name: "EMTA is slow", family: "answers", begin: c.spoilt(func(rng *rand.Rand) simulator.Mischief {
			return simulator.Mischief{DelayBefore: upTo(rng, time.Second), DelayAfter: upTo(rng, chaosTimeout+time.Second)}
		})},
		{name: "EMTA's answers cannot be read", family: "answers", begin: c.spoilt(func(rng *rand.Rand) simulator.Mischief {
			return simulator.Mischief{Truncate: rng.IntN(2) == 0, HTML: http.StatusBadGateway * rng.IntN(2)}
		})},
		{name: "the core refuses webhooks, or loses its answer", family: "core", begin: func(_ *testing.T, rng *rand.Rand) func() {
			for range 1 + rng.IntN(4) {
				c.world.Core.Misbehave(simulator.Mischief{HTML: http.StatusServiceUnavailable}, simulator.Mischief{CutAfter: true})
			}
			return func() {}
		}},
	}
}

// spoilt lets some of the next answers of each operation come out wrong, at either security server.
func (c *chaos) spoilt(m func(*rand.Rand) simulator.Mischief) func(*testing.T, *rand.Rand) func() {
	return func(_ *testing.T, rng *rand.Rand) func() {
		for _, operation := range []string{simulator.OperationInit, simulator.OperationInit, simulator.OperationGet, simulator.OperationCancel,
			simulator.OperationList, simulator.OperationNotify} {
			place := c.world.SecurityServer.Misbehave
			if operation != simulator.OperationNotify && rng.IntN(2) == 0 {
				place = c.world.EMTA.Misbehave
			}
			if err := place(operation, m(rng)); err != nil {
				c.wrongf("the simulators do not know this mischief: %v", err)
			}
		}
		return func() {}
	}
}

// deliverShuffled sends what waits in an order of chance.
func (c *chaos) deliverShuffled(ctx context.Context, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, i := range rng.Perm(len(c.world.EMTA.Pending())) {
		_, _ = c.world.EMTA.Deliver(ctx, i) // it is sent again until it is accepted
	}
}
