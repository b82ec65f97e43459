package event

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCursor holds that a cursor is read only if we wrote it.
func FuzzCursor(f *testing.F) {
	for _, seq := range []int64{0, 1, 12, math.MaxInt64} {
		f.Add(cursor(seq))
	}
	f.Add("MTI=")
	f.Add("LTE")
	f.Add("MDE")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		seq, ok := parseCursor(s)
		if !ok || s == "" {
			return
		}
		require.GreaterOrEqual(t, seq, int64(0))
		require.Equal(t, s, cursor(seq))
	})
}
