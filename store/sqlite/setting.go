package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"ametlikudteadaanded.ee/adapter/setting"
)

const (
	lastSettings   = `SELECT version, at, actor, changes, steps FROM adapter_setting ORDER BY version DESC LIMIT ?`
	changeSettings = `INSERT INTO adapter_setting (version, at, actor, changes, steps) SELECT ?1, ?2, ?3, ?4, ?5
		WHERE ?1 = (SELECT coalesce(max(version), 0) + 1 FROM adapter_setting)`
)

func scanSettings(r row) (setting.Stored, error) {
	var s setting.Stored
	var changes, steps text
	if err := r.Scan(&s.Version, (*instant)(&s.At), &s.By, &changes, &steps); err != nil {
		return setting.Stored{}, err
	}
	s.Changes = []byte(changes)
	return s, json.Unmarshal([]byte(steps), &s.Steps)
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
	return s.transact(ctx, func(tx transaction) error {
		doing := fmt.Sprintf("keep version %d of the settings", change.Version)
		kept, err := changed(tx.ExecContext(ctx, changeSettings, change.Version, instant(change.At), change.By, text(change.Changes), text(steps)))
		if err == nil && !kept {
			err = setting.ErrConflict
		}
		if err != nil {
			return wrap(err, doing)
		}
		return nil
	})
}

// SettingsHistory returns changes of settings, the last first; see setting.Store. A limit of 0 or less returns none.
func (s *Store) SettingsHistory(ctx context.Context, limit int) ([]setting.Stored, error) {
	rows, err := s.read.QueryContext(ctx, lastSettings, max(limit, 0))
	list, err := collect(rows, err, scanSettings)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return list, nil
}
