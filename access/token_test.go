package access_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/rest"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func TestNew(t *testing.T) {
	kept, secret, err := access.New("core", []string{"orders", "events"}, noon, noon.Add(time.Hour), "cli:x")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(secret), 43)
	require.Equal(t, access.Token{Name: "core", SHA256: rest.HashToken(secret), Scopes: []string{"orders", "events"}, Created: noon, Expires: noon.Add(time.Hour), By: "cli:x"}, kept)
	_, another, err := access.New("core", []string{"*"}, noon, time.Time{}, "")
	require.NoError(t, err)
	require.NotEqual(t, secret, another)
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		scopes  []string
		expires time.Time
		want    string
	}{
		{"", []string{"*"}, time.Time{}, "name"}, {"a b", []string{"*"}, time.Time{}, "name"}, {"a\n", []string{"*"}, time.Time{}, "name"},
		{"-a", []string{"*"}, time.Time{}, "name"}, {strings.Repeat("a", 65), []string{"*"}, time.Time{}, "name"}, {"õ", []string{"*"}, time.Time{}, "name"},
		{"a", nil, time.Time{}, "scopes"}, {"a", []string{""}, time.Time{}, "scope"}, {"a", []string{"Orders"}, time.Time{}, "scope"},
		{"a", []string{"orders,events"}, time.Time{}, "scope"}, {"a", []string{"*"}, noon, "expires"}, {"a", []string{"*"}, noon.Add(-time.Hour), "expires"},
	} {
		_, _, err := access.New(test.name, test.scopes, noon, test.expires, "")
		require.ErrorContains(t, err, test.want, "%+v", test)
	}
}

func TestKnown(t *testing.T) {
	used, usedSecret, err := access.New("used", []string{"orders"}, noon, time.Time{}, "")
	require.NoError(t, err)
	expired, expiredSecret, err := access.New("expired", []string{"orders"}, noon.Add(-time.Hour), noon, "")
	require.NoError(t, err)
	revoked, revokedSecret, err := access.New("revoked", []string{"orders"}, noon, time.Time{}, "")
	require.NoError(t, err)
	revoked.Revoked = noon
	known, err := access.Known(func() time.Time { return noon }, []access.Token{used, expired, revoked})
	require.NoError(t, err)
	for secret, right := range map[string]bool{usedSecret: true, expiredSecret: false, revokedSecret: false} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		caller, err := known.Authenticate(r)
		require.Equal(t, right, err == nil)
		if right {
			require.Equal(t, rest.Caller{Name: "used", Scopes: []string{"orders"}}, caller)
		}
	}
	require.Equal(t, []string{"in use", "expired", "revoked"}, []string{used.State(noon), expired.State(noon), revoked.State(noon)})
}
