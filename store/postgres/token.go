package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/access"
)

const (
	addToken = `INSERT INTO atis.adapter_token (name, sha256, scopes, created, expires, made_by) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (name) DO NOTHING`
	listTokens  = `SELECT name, sha256, scopes, created, expires, revoked, made_by FROM atis.adapter_token ORDER BY name COLLATE "C"`
	revokeToken = `UPDATE atis.adapter_token SET revoked = $2 WHERE name = $1 AND revoked IS NULL`
)

func scanToken(r pgx.CollectableRow) (access.Token, error) {
	var t access.Token
	var scopes string
	err := r.Scan(&t.Name, &t.SHA256, &scopes, (*instant)(&t.Created), (*instant)(&t.Expires), (*instant)(&t.Revoked), &t.By)
	t.Scopes = strings.Fields(scopes)
	return t, err
}

// AddToken keeps a token, or returns access.ErrTaken.
func (s *Store) AddToken(ctx context.Context, t access.Token) error {
	return s.ask(ctx, func(b *batch) {
		b.must("add token "+t.Name, access.ErrTaken, addToken, t.Name, t.SHA256, strings.Join(t.Scopes, " "), moment(t.Created), moment(t.Expires), t.By)
	})
}

// Tokens returns all tokens by name; see access.Store.
func (s *Store) Tokens(ctx context.Context) ([]access.Token, error) {
	var list []access.Token
	err := s.read(ctx, func(b *batch) { rows(b, "read tokens", listTokens, nil, scanToken, &list) })
	return list, err
}

// RevokeToken revokes a token, or returns access.ErrNoToken.
func (s *Store) RevokeToken(ctx context.Context, name string, at time.Time) error {
	return s.ask(ctx, func(b *batch) { b.must("revoke token "+name, access.ErrNoToken, revokeToken, name, moment(at)) })
}
