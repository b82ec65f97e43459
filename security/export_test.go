package security

import "context"

// Sweep is what Run does each second, and at its end.
func (l *Log) Sweep(ctx context.Context, end bool) { l.sweep(ctx, end) }
