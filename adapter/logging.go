package main

import (
	"io"
	"log/slog"
	"time"
)

// newLogger writes JSON lines with Estonian time (logging §2).
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	tallinn, err := time.LoadLocation("Europe/Tallinn")
	if err != nil {
		tallinn = time.UTC // the zones are embedded: package order
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				a.Value = slog.StringValue(a.Value.Time().In(tallinn).Format("2006-01-02T15:04:05.000Z07:00"))
			}
			return a
		},
	}))
}

func logLevel(name string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return level, &settingError{"log.level", "must be debug, info, warn or error"}
	}
	return level, nil
}
