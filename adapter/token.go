package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// coreTokens are the tokens that the internal API knows: the settings', or where none are set the one in the token
// file, which is made at the first start. Without a name for that file there are none.
func (s Settings) coreTokens(now func() time.Time) (*rest.Tokens, error) {
	var tokens []rest.Token
	for _, t := range s.Core.Tokens {
		tokens = append(tokens, rest.Token{Name: t.Name, SHA256: strings.ToLower(t.SHA256), Scopes: t.Scopes, Expires: t.Expires})
	}
	if len(tokens) == 0 && s.Core.TokenFile != "" {
		token, err := tokenIn(s.Core.TokenFile)
		if err != nil {
			return nil, err
		}
		tokens = []rest.Token{{Name: "file", SHA256: rest.HashToken(token), Scopes: []string{"*"}}}
	}
	known, err := rest.NewTokens(now, tokens...)
	if err != nil {
		return nil, fmt.Errorf("setting core.tokens: %w", err)
	}
	return known, nil
}

// tokenIn reads the token file, and makes it if there is none: 32 random bytes, readable by the owner alone.
func tokenIn(path string) (string, error) {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeToken(path)
	case err != nil:
		return "", fmt.Errorf("token file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if len(token) < 32 {
		return "", fmt.Errorf("token file %s holds no token of at least 32 characters: delete it to have one made", path)
	}
	return token, nil
}

func makeToken(path string) (string, error) {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	token := base64.RawURLEncoding.EncodeToString(secret)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("token file %s: %w", path, err)
	}
	return token, nil
}
