package exchangelog

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
)

// openSegment reads a segment's lines, compressed or not.
func openSegment(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil || !strings.HasSuffix(path, zipped) {
		return file, err
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(file, 256<<10))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return readCloser{z, file}, nil
}
