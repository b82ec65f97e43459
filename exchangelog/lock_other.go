//go:build !unix

package exchangelog

import "os"

// takeLock only opens the file: where the system has no flock, two processes must not be given one replica's name.
func takeLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
}
