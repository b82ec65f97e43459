package soap

import (
	"errors"
	"os"
)

// newTempFile opens a file in os.TempDir that no name leads to, so that nothing is left of it once it is closed, nor
// after kill -9. Where a file cannot be without a name from the start it loses it at once; where an open
// file cannot lose it there is none.
func newTempFile() (*os.File, error) {
	if f, err := openUnnamed(os.TempDir()); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp("", "attachment-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}
