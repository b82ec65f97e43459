package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/access"
)

const (
	addToken = `INSERT INTO adapter_token (name, sha256, scopes, created, expires, made_by) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO NOTHING`
	listTokens  = `SELECT name, sha256, scopes, created, expires, revoked, made_by FROM adapter_token ORDER BY name`
	revokeToken = `UPDATE adapter_token SET revoked = ?2 WHERE name = ?1 AND revoked IS NULL`
)

func scanToken(r row) (access.Token, error) {
	var t access.Token
	var scopes text
	err := r.Scan(&t.Name, &t.SHA256, &scopes, (*instant)(&t.Created), (*instant)(&t.Expires), (*instant)(&t.Revoked), (*text)(&t.By))
	t.Scopes = strings.Fields(string(scopes))
	return t, err
}

// AddToken keeps a token, or returns access.ErrTaken.
func (s *Store) AddToken(ctx context.Context, t access.Token) error {
	return s.transact(ctx, func(tx transaction) error {
		kept, err := changed(tx.ExecContext(ctx, addToken, t.Name, t.SHA256, strings.Join(t.Scopes, " "), instant(t.Created), instant(t.Expires), t.By))
		if err == nil && !kept {
			err = access.ErrTaken
		}
		if err != nil {
			return wrap(err, "add token "+t.Name)
		}
		return nil
	})
}

// Tokens returns all tokens by name; see access.Store.
func (s *Store) Tokens(ctx context.Context) ([]access.Token, error) {
	rows, err := s.read.QueryContext(ctx, listTokens)
	list, err := collect(rows, err, scanToken)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}

// RevokeToken revokes a token, or returns access.ErrNoToken.
func (s *Store) RevokeToken(ctx context.Context, name string, at time.Time) error {
	return s.transact(ctx, func(tx transaction) error {
		met, err := changed(tx.ExecContext(ctx, revokeToken, name, instant(at)))
		if err == nil && !met {
			err = access.ErrNoToken
		}
		if err != nil {
			return wrap(err, "revoke token "+name)
		}
		return nil
	})
}
