package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func tokens(t testing.TB) *rest.Tokens {
	t.Helper()
	known, err := rest.NewTokens(func() time.Time { return noon },
		rest.Token{Name: "core", SHA256: rest.HashToken("core-secret"), Scopes: []string{"orders", "events"}},
		rest.Token{Name: "core-next", SHA256: strings.ToUpper(rest.HashToken("next-secret")), Scopes: []string{"*"}, Expires: noon.Add(time.Second)},
		rest.Token{Name: "core-last", SHA256: rest.HashToken("last-secret"), Scopes: []string{"*"}, Expires: noon})
	require.NoError(t, err)
	return known
}

func TestHashToken(t *testing.T) {
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", rest.HashToken("abc"))
}

func TestTokensAuthenticate(t *testing.T) {
	for _, test := range []struct {
		fields    []string
		caller    string // "": refused
		challenge string
	}{
		{[]string{"Bearer core-secret"}, "core", ""},
		{[]string{"bearer  core-secret"}, "core", ""},
		{[]string{"Bearer next-secret"}, "core-next", ""},
		{[]string{"Bearer last-secret"}, "", `Bearer error="invalid_token"`},
		{[]string{"Bearer core-secre"}, "", `Bearer error="invalid_token"`},
		{[]string{"Bearer " + rest.HashToken("core-secret")}, "", `Bearer error="invalid_token"`},
		{nil, "", `Bearer`},
		{[]string{""}, "", `Bearer error="invalid_request"`},
		{[]string{"Bearer"}, "", `Bearer error="invalid_request"`},
		{[]string{"Bearer "}, "", `Bearer error="invalid_request"`},
		{[]string{"Basic core-secret"}, "", `Bearer error="invalid_request"`},
		{[]string{"core-secret"}, "", `Bearer error="invalid_request"`},
		{[]string{"Bearer core-secret, Bearer x"}, "", `Bearer error="invalid_request"`},
		{[]string{"Bearer core-secret", "Bearer core-secret"}, "", `Bearer error="invalid_request"`},
		{[]string{"Bearer " + strings.Repeat("a", 100000)}, "", `Bearer error="invalid_request"`},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = test.fields
		caller, err := tokens(t).Authenticate(r)
		require.Equal(t, test.caller, caller.Name, test.fields)
		if test.caller != "" {
			require.NoError(t, err, test.fields)
			continue
		}
		problem := problemOf(t, err)
		require.Equal(t, http.StatusUnauthorized, problem.Status, test.fields)
		require.Equal(t, test.challenge, problem.Header.Get("WWW-Authenticate"), test.fields)
		require.NotContains(t, problem.Detail+problem.Error(), "secret")
		require.Empty(t, caller.Scopes, test.fields)
	}
}

func TestNoTokensMeansNobody(t *testing.T) {
	none, err := rest.NewTokens(time.Now)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer x")
	_, err = none.Authenticate(r)
	require.Equal(t, http.StatusUnauthorized, problemOf(t, err).Status)
}

func TestNewTokensRefuses(t *testing.T) {
	good := rest.HashToken("secret")
	for _, test := range []struct {
		tokens []rest.Token
		want   string
	}{
		{[]rest.Token{{SHA256: good}}, "token without a name"},
		{[]rest.Token{{Name: "core", SHA256: ""}}, `token "core": the hash must be SHA-256 in 64 hex digits`},
		{[]rest.Token{{Name: "core", SHA256: good[:62]}}, `token "core": the hash must be SHA-256 in 64 hex digits`},
		{[]rest.Token{{Name: "core", SHA256: strings.Repeat("x", 64)}}, `token "core": the hash must be SHA-256 in 64 hex digits`},
		{[]rest.Token{{Name: "core", SHA256: good}, {Name: "core", SHA256: good}}, `token "core": the name is there twice`},
	} {
		_, err := rest.NewTokens(time.Now, test.tokens...)
		require.EqualError(t, err, test.want)
	}
}
