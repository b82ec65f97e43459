package exchangelog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recover opens the sidecar and finds where the stream ends. What a crash left half written behind the last record that was durable is
// put aside in a file of its own. What is wrong before that is left for Verify to find.
func (j *fileJournal) recover(sidePath string) (Tail, error) {
	side, told, ok, err := openSide(sidePath)
	if err != nil {
		return Tail{}, err
	}
	j.side = side
	path, number, err := lastSegment(j.folder, j.stream)
	if err != nil {
		return Tail{}, err
	}
	tail := Tail{Head: NoHead(), Segment: number}
	var known *Sidecar
	if ok && told.Stream == j.stream {
		known = &told
	}
	if number > 0 {
		if err := j.read(path, number, known, &tail); err != nil {
			return Tail{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	if known != nil && known.Head.Seq > tail.Head.Seq {
		if number > 0 || known.Count > 0 {
			tail.Notes = append(tail.Notes, fmt.Sprintf("the files end at record %d, and the sidecar tells of %d: what is between is missing", tail.Head.Seq, known.Head.Seq))
		}
		tail.Head, tail.Segment = known.Head, max(tail.Segment, known.Segment)
	}
	return tail, nil
}

// read reads the last segment. One without a seal is opened, to be sealed.
func (j *fileJournal) read(path string, number int, known *Sidecar, tail *Tail) error {
	reader, err := openSegment(path)
	if err != nil {
		return err
	}
	durable := int64(0)
	if known != nil && known.Segment == number {
		durable = known.Count
	}
	end, err := findEnd(reader, durable)
	if err := errors.Join(err, reader.Close()); err != nil {
		return err
	}
	if end.tally.Count > 0 {
		tail.Head = end.tally.Last
	}
	if strings.HasSuffix(path, zipped) {
		return nil
	}
	if end.rest > 0 {
		if err := setAside(path, end.good); err != nil {
			return err
		}
		tail.Notes = append(tail.Notes, fmt.Sprintf("segment %d ended in %d bytes that were not whole; they are kept in %s", number, end.rest, filepath.Base(path)+tornSuffix))
	}
	if end.sealed {
		j.compress(path)
		return nil
	}
	if end.tally.Count == 0 { // nothing of it is left: its number is used again
		tail.Segment = number - 1
		return os.Remove(path)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	j.file, j.path, j.end, j.durable = file, path, end.good, end.good
	if end.tally.Previous, err = j.hashBefore(number, end.tally.First); err != nil {
		return err
	}
	tail.Open = &end.tally
	return nil
}

// hashBefore is the hash that a segment's first record follows: that of the last record of the segment before. It is empty where that is not
// there, or does not end just before; the seal then says that it is not known.
func (j *fileJournal) hashBefore(number int, first Head) (string, error) {
	if first.Seq == 1 {
		return NoHead().Hash, nil
	}
	path, err := findSegment(j.folder, j.stream, number-1)
	if err != nil || path == "" {
		return "", err
	}
	reader, err := openSegment(path)
	if err != nil {
		return "", err
	}
	before, err := findEnd(reader, 0)
	if err := errors.Join(err, reader.Close()); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if before.tally.Last.Seq != first.Seq-1 {
		return "", nil
	}
	return before.tally.Last.Hash, nil
}

// findSegment is the path of a segment of a stream, empty where it is not there.
func findSegment(folder string, s Stream, number int) (found string, err error) {
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if of, n, ok := parseSegmentName(s.System, e.Name()); ok && of == s && n == number && !strings.HasSuffix(found, extension) {
			found = path // the one without .gz is the whole one while both are there
		}
		return nil
	})
	return found, err
}

// segmentEnd is what findEnd found.
type segmentEnd struct {
	tally  Tally
	sealed bool
	good   int64 // bytes of whole lines
	rest   int64 // bytes behind them
}

// findEnd reads a segment to its end: the last line that is whole and follows the one before it. Lines that the sidecar tells to have
// been durable count in any case: what is wrong with them no crash has done.
func findEnd(r io.Reader, durable int64) (segmentEnd, error) {
	var end segmentEnd
	var c chain
	input := bufio.NewReaderSize(r, 1<<20)
	broken := false
	for n := int64(1); ; n++ {
		line, err := input.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return end, err
		}
		if err == io.EOF {
			end.rest += int64(len(line))
			return end, nil
		}
		text := line[:len(line)-1]
		head, isRecord := lineHead(text)
		_, notSeal := ParseSeal(text)
		switch {
		case !broken && notSeal == nil:
			end.sealed = true
		case n <= durable, !broken && isRecord && (end.tally.Count == 0 || c.follows(end.tally.Last, head, text)):
			end.sealed = false
			if isRecord {
				end.tally.add("", head)
			}
		default:
			broken = true
			end.rest += int64(len(line))
			continue
		}
		end.good += int64(len(line))
	}
}

// setAside moves what stands in the file behind good into a file of its own, durably.
func setAside(path string, good int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(good, io.SeekStart); err != nil {
		return err
	}
	aside, err := os.OpenFile(path+tornSuffix, os.O_CREATE|os.O_APPEND|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(aside, file)
	if err := errors.Join(err, aside.Sync(), aside.Close(), syncFolder(filepath.Dir(path))); err != nil {
		return err
	}
	return errors.Join(file.Truncate(good), file.Sync())
}
