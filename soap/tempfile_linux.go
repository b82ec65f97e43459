package soap

import (
	"os"
	"syscall"
)

// unnamed is O_TMPFILE, which package syscall has for some architectures only; the bit is the same on all that Go knows.
const unnamed = 0x400000 | syscall.O_DIRECTORY

// openUnnamed fails on file systems that know no unnamed files.
func openUnnamed(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|os.O_EXCL|unnamed, 0o600) // O_EXCL: it can never be given a name
}
