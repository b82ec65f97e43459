package exchangelog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// sideFile is a stream's sidecar as a file: one line of fixed length, written over in place with each group commit. It is
// written after the lines are durable and so never tells of more than there is.
type sideFile struct{ file *os.File }

// sideLength is one sector of the oldest disks: written whole or not at all.
const sideLength = 512

// openSide opens or makes a sidecar and reads it; ok is false where it tells nothing.
func openSide(path string) (side *sideFile, at Sidecar, ok bool, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, at, false, err
	}
	text, err := io.ReadAll(io.LimitReader(file, sideLength))
	if err != nil {
		return nil, at, false, errors.Join(err, file.Close())
	}
	at, err = parseSidecar(text)
	return &sideFile{file}, at, err == nil, nil
}

// write tells how far the stream is.
func (s *sideFile) write(at Sidecar) error {
	line := at.line()
	line = append(line, bytes.Repeat([]byte{' '}, sideLength-1-len(line))...)
	_, err := s.file.WriteAt(append(line, '\n'), 0)
	return err
}

func (s *sideFile) close() error { return errors.Join(s.file.Sync(), s.file.Close()) }

func (at *Sidecar) line() []byte {
	b := append([]byte(`{"stream":`), appendString(nil, at.Stream.String())...)
	b = appendNumber(b, "segment", int64(at.Segment))
	b = appendNumber(b, "count", at.Count)
	b = appendNumber(b, "seq", at.Head.Seq)
	b = appendMember(b, "hash", at.Head.Hash)
	b = append(b, `,"sealed":`...)
	return append(strconv.AppendBool(b, at.Sealed), '}')
}

// parseSidecar reads what line writes, and blanks behind it.
func parseSidecar(text []byte) (Sidecar, error) {
	var wire struct {
		Stream     string
		Segment    int
		Count, Seq int64
		Hash       string
		Sealed     bool
	}
	if err := json.Unmarshal(bytes.TrimRight(text, " \n\x00"), &wire); err != nil {
		return Sidecar{}, fmt.Errorf("sidecar: %w", err)
	}
	s, err := ParseStream(wire.Stream)
	if err != nil {
		return Sidecar{}, fmt.Errorf("sidecar: %w", err)
	}
	if !isHash(wire.Hash) || wire.Seq < 0 || wire.Segment < 0 {
		return Sidecar{}, errors.New("sidecar: holds no head")
	}
	return Sidecar{s, wire.Segment, wire.Count, Head{wire.Seq, wire.Hash}, wire.Sealed}, nil
}
