package rest_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
)

func TestQuery(t *testing.T) {
	for _, query := range []string{"", "state=pending", "state=&limit=7", "limit=%C3%B5"} {
		_, err := rest.Query(httptest.NewRequest("GET", "/?"+query, nil), "state", "limit")
		require.NoError(t, err, query)
	}
	values, err := rest.Query(httptest.NewRequest("GET", "/?state=a+b%2Bc", nil), "state")
	require.NoError(t, err)
	require.Equal(t, "a b+c", values.Get("state"))
}

func TestQueryRefuses(t *testing.T) {
	for _, test := range []struct{ query, want string }{
		{"sate=pending", "invalid (422) sate unknown"},
		{"State=pending", "invalid (422) State unknown"},
		{"state=a&state=a", "invalid (422) state duplicate"},
		{"z=1&state=%ff&a=2", "invalid (422) a unknown, state format, z unknown"},
		{"state=a;limit=7", "malformed (400): invalid semicolon separator in query"},
		{"state=%zz", `malformed (400): invalid URL escape "%zz"`},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = test.query
		_, err := rest.Query(r, "state", "limit")
		require.EqualError(t, problemOf(t, err), test.want, test.query)
	}
}
