package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const wakeChannel = "adapter_event"

// settingsWord is what a change of settings says on the channel; events say nothing.
const settingsWord = "settings"

// listenPause is how long Listen waits before it connects again. Meanwhile everybody finds what is
// due by looking for it, as always.
const listenPause = time.Second

// Listen calls events soon after another replica, or this one, has appended events, and settings after one has changed
// them, until ctx ends. It is no more than a hint: it may come late, once for many, without need, or be lost with the
// connection, which is one beside the pool's. Neither may block.
func (s *Store) Listen(ctx context.Context, events, settings func()) {
	for ctx.Err() == nil {
		s.listen(ctx, events, settings)
		pause := time.NewTimer(listenPause)
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
}

// listen returns when the connection is lost.
func (s *Store) listen(ctx context.Context, events, settings func()) {
	connecting, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, s.config.ConnConfig.Copy())
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		conn.Close(ctx)
	}()
	if _, err := conn.Exec(connecting, `LISTEN `+wakeChannel); err != nil {
		return
	}
	events() // for what was done while nobody listened
	settings()
	for {
		heard, err := conn.WaitForNotification(ctx)
		switch {
		case err != nil:
			return
		case heard.Payload == settingsWord:
			settings()
		default:
			events()
		}
	}
}
