package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/schedule"
)

// retentionAt is when old months are archived and removed: at night, long after midnight's segments are sealed.
const retentionAt = 3 * time.Hour

// newRetentions is the daily work that archives and removes the months that the settings do not keep, one a system and place. Files
// are this machine's, so each machine has a schedule of its own; tables are everybody's, and any replica does their work.
func (p *Program) newRetentions() ([]schedule.Daily, error) {
	var list []schedule.Daily
	for _, name := range slices.Sorted(maps.Keys(p.settings.Log.Systems)) {
		keep := p.settings.Log.Systems[name].KeepMonths
		if keep == 0 {
			continue
		}
		e, err := p.settings.exporter(p.now, p.log.With("component", "exchangelog"))
		if err != nil {
			return nil, err
		}
		e.Removing = tellRemoval(p.security.Keep, p.now, "retention")
		for place, log := range map[string]exchangelog.MonthStore{
			placeTables:                         exchangelog.TableMonths{MonthTables: p.store},
			placeFiles + " of " + replicaName(): exchangelog.NewFiles(p.settings.Log.Dir, e.Logger),
		} {
			e := e
			if place == placeTables {
				e.Dir = p.settings.tableArchives()
			}
			r := &retention{p.settings, name, keep, e, log}
			list = append(list, schedule.Daily{Name: "log retention " + name + " " + place, At: retentionAt, Zone: estonia, Work: r.work,
				Store: p.store, Now: p.now, NewID: uuid.NewString, Logger: e.Logger})
		}
	}
	return list, nil
}

// retention is the work of one system.
type retention struct {
	settings Settings
	system   string
	keep     int
	exporter exchangelog.Exporter
	store    exchangelog.MonthStore
}

// work archives and removes the months that are too old, the oldest first. One that cannot be archived keeps those after it: the
// chain is archived in its order.
func (r *retention) work(ctx context.Context) error {
	months, err := r.store.Months(ctx, r.system)
	if err != nil {
		return err
	}
	trusted, err := r.settings.trusted(nil)
	if err != nil {
		return err
	}
	first := exchangelog.MonthOf(r.exporter.Now()).Add(-r.keep)
	for _, m := range months {
		if !m.Before(first) {
			break
		}
		folder, err := r.exporter.Export(ctx, r.store, r.system, m, "retention")
		if err != nil && !errors.Is(err, exchangelog.ErrArchived) {
			return fmt.Errorf("%s %s: %w", r.system, m, err)
		}
		_, err = r.exporter.Retire(ctx, r.store, folder, trusted, "retention")
		if errors.Is(err, exchangelog.ErrMayNotRemove) { // nor tomorrow: who may is told how
			r.exporter.Logger.Warn("exchange log month archived and not removed", "system", r.system, "month", m.String(), "archive", folder, "error", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", r.system, m, err)
		}
		r.exporter.Logger.Info("exchange log month archived and removed", "system", r.system, "month", m.String(), "archive", folder)
	}
	return nil
}
