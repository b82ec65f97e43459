package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/setting"
)

const (
	lastSettings = `SELECT version, at, actor, changes, steps FROM atis.adapter_setting ORDER BY version DESC LIMIT $1`
	// The key refuses the second of two changes that are made at once.
	changeSettings = `INSERT INTO atis.adapter_setting (version, at, actor, changes, steps) SELECT $1, $2, $3, $4, $5
		WHERE $1 = (SELECT coalesce(max(version), 0) + 1 FROM atis.adapter_setting)`
	wakeSettings = `SELECT pg_notify('` + wakeChannel + `', '` + settingsWord + `')`
)

func scanSettings(r pgx.CollectableRow) (setting.Stored, error) {
	var s setting.Stored
	var steps []byte
	if err := r.Scan(&s.Version, (*instant)(&s.At), &s.By, &s.Changes, &steps); err != nil {
		return setting.Stored{}, err
	}
	return s, json.Unmarshal(steps, &s.Steps)
}

// Settings returns the last change of settings; see setting.Store.
func (s *Store) Settings(ctx context.Context) (setting.Stored, error) {
	list, err := s.SettingsHistory(ctx, 1)
	if err != nil || len(list) == 0 {
		return setting.Stored{}, err
	}
	return list[0], nil
}

// ChangeSettings keeps a change, or returns setting.ErrConflict.
func (s *Store) ChangeSettings(ctx context.Context, change setting.Stored) error {
	steps, err := json.Marshal(change.Steps)
	if err != nil {
		return fmt.Errorf("change settings: %w", err)
	}
	doing := fmt.Sprintf("keep version %d of the settings", change.Version)
	err = s.ask(ctx, func(b *batch) {
		b.must(doing, setting.ErrConflict, changeSettings, change.Version, moment(change.At), change.By, change.Changes, steps)
		b.exec("wake other replicas", wakeSettings)
	})
	if code(err) == uniqueViolation {
		return fmt.Errorf("%s: %w", doing, setting.ErrConflict)
	}
	return err
}

// SettingsHistory returns changes of settings, the last first; see setting.Store. A limit of 0 or less returns none.
func (s *Store) SettingsHistory(ctx context.Context, limit int) ([]setting.Stored, error) {
	var list []setting.Stored
	err := s.read(ctx, func(b *batch) { rows(b, "read settings", lastSettings, []any{max(limit, 0)}, scanSettings, &list) })
	return list, err
}
