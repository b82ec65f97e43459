package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A body whose length is not told is as long as it is, for each method whose body is read: Pääsuke ends mandates by PUT.
func TestSmallRequest(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		for length, want := range map[int]bool{0: true, smallRequest: true, smallRequest + 1: false} {
			for _, told := range []int64{int64(length), -1} {
				r := httptest.NewRequest(method, "/", io.MultiReader(strings.NewReader(strings.Repeat("x", length))))
				r.ContentLength = told
				require.Equal(t, want, small(r), "%s of %d bytes, %d told", method, length, told)
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.Len(t, body, length, "all is still to be read")
			}
		}
	}
}
