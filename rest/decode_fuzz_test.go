package rest_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
)

// FuzzDecode holds that whatever comes is refused with a problem that can be sent, or is read as
// encoding/json reads it, and comes back the same when written and read again.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/decode/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		body, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(body))
	}
	for _, test := range badMembers {
		f.Add(test.body)
	}
	for _, test := range malformedBodies {
		f.Add(test.body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var got message
		if err := rest.Decode(post(body), &got); err != nil {
			var problem *rest.Problem
			require.True(t, errors.As(err, &problem))
			require.True(t, problem.Status == 400 || problem.Status == 422, problem.Status)
			_, err = json.Marshal(problem)
			require.NoError(t, err)
			require.Equal(t, message{}, got)
			return
		}
		var plain message
		require.NoError(t, json.Unmarshal([]byte(body), &plain))
		require.Equal(t, plain, got)

		written, err := json.Marshal(got)
		require.NoError(t, err)
		var again message
		require.NoError(t, rest.Decode(post(string(written)), &again))
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(written), string(rewritten))
	})
}
