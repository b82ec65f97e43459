//go:build unix

package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
)

// verdict is all that is known at the end, and says what is wrong with it.
type verdict struct {
	*comparison
	inside
	calls   []simulator.Call // of EMTA
	endings []ending
	said    []string // what each replica wrote
}

// verdict gathers what is known now. What the processes left is judged when the last has ended.
func (c *chaos) verdict(ctx context.Context, s store.Store) (verdict, error) {
	calls := c.world.EMTA.Calls()
	comparison, err := c.gather(ctx, s)
	if err != nil {
		return verdict{}, err
	}
	inside, err := look(ctx, c.database)
	return verdict{comparison: comparison, inside: inside, calls: calls}, err
}

func (v verdict) judge() []string {
	v.comparison.judge()
	v.inits()
	v.confirmations()
	for _, row := range v.leased {
		v.expect(false, "%s is left leased", row)
	}
	for _, row := range v.parked {
		v.expect(false, "%s is left, and nobody will look at it", row)
	}
	for _, e := range v.endings {
		v.expect(e.wrong() == "", "%s", e.wrong())
	}
	for _, text := range v.said {
		v.logs(text)
	}
	return append(v.wrong, append(v.t.lost(v.processed), v.t.wrong...)...)
}

// inits: no stamp was sent twice, acted upon or not, and each is of a row of ours.
func (v verdict) inits() {
	sent := map[string]int{}
	for _, call := range v.calls {
		if call.Operation == simulator.OperationInit && call.Stamp != "" {
			sent[call.Stamp]++
		}
	}
	for stamp, n := range sent {
		v.expect(n == 1, "stamp %s came to EMTA with %d Inits", stamp, n)
		_, ours := v.rows[stamp]
		v.expect(ours, "stamp %s came to EMTA and has no row", stamp)
	}
	for _, o := range v.made {
		v.expect(sent[o.Stamp] > 0, "EMTA's order %s came without an Init", o.ID)
	}
}

// confirmations: each completion was offered, under an id of its own, and its claim confirmed once.
func (v verdict) confirmations() {
	offered := map[string]map[string]bool{} // completions by our key
	owner := map[string]string{}
	for _, e := range v.events {
		var data struct {
			ID           int64
			CompletionID string
		}
		if e.Type != order.EventCompleted || json.Unmarshal(e.Data, &data) != nil {
			continue
		}
		id := strconv.FormatInt(data.ID, 10)
		if offered[id] == nil {
			offered[id] = map[string]bool{}
		}
		offered[id][data.CompletionID] = true
		v.expect(owner[data.CompletionID] == "" || owner[data.CompletionID] == id, "completion %s is of orders %s and %s", data.CompletionID, owner[data.CompletionID], id)
		owner[data.CompletionID] = id
	}
	for id, row := range v.rows {
		v.expect(row.State != order.Completed || offered[id][row.CompletionID], "order %s is completed and was not offered", id)
		v.expect(row.State != order.Completed || v.confirmed[id] > 0, "order %s is completed and its claim is not confirmed", id)
		v.expect(v.confirmed[id] <= len(offered[id]), "the claims of order %s were confirmed %d times for %d completions", id, v.confirmed[id], len(offered[id]))
	}
}

// disasters are words that no log may hold.
var disasters = regexp.MustCompile(`(?i).*(\bpanic|DATA RACE|fatal error:|^goroutine \d+|concurrent map).*`)

func (v verdict) logs(text string) {
	for _, line := range disasters.FindAllString(text, 5) {
		v.expect(false, "a replica wrote: %.300s", line)
	}
}
