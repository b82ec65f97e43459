//go:build !linux

package soap

import (
	"errors"
	"os"
)

// openUnnamed is for systems that know unnamed files.
func openUnnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }
