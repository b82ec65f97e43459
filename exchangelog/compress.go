package exchangelog

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// compress puts a sealed segment's .gz in its place, durably: at each moment one of the two is whole.
func compress(path string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	partial := path + zipped + partialZip
	to, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(to, 64<<10)
	z, err := gzip.NewWriterLevel(buffer, gzip.BestSpeed)
	if err == nil {
		_, err = io.Copy(z, from)
		err = errors.Join(err, z.Close(), buffer.Flush(), to.Sync())
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	if err := os.Rename(partial, path+zipped); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
