package setting

import (
	"context"
	"errors"
)

// ErrConflict says that somebody else made a change from the same version.
var ErrConflict = errors.New("the settings were changed meanwhile")

// Store keeps every change for ever, as the audit of who changed what. Each method is one transaction.
type Store interface {
	// Settings returns the last change; the zero Stored when there was none.
	Settings(ctx context.Context) (Stored, error)
	// ChangeSettings keeps s if the last change's Version is s.Version-1 (0: none), else ErrConflict.
	ChangeSettings(ctx context.Context, s Stored) error
	// SettingsHistory returns at most limit changes, the last first.
	SettingsHistory(ctx context.Context, limit int) ([]Stored, error)
}
