package exchangelog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// seqMember stands before a line's number. It cannot stand in a value: there its quotes would be escaped.
const seqMember = `,"seq":`

// lineHead is the number and the hash that a line, without its line break, says it has; ok is false where it is no record.
func lineHead(line []byte) (h Head, ok bool) {
	covered, hash, ok := splitHash(line)
	if !ok || !bytes.HasPrefix(line, []byte(`{"time":"`)) {
		return h, false
	}
	at := bytes.Index(covered, []byte(seqMember))
	if at < 0 {
		return h, false
	}
	digits := covered[at+len(seqMember):]
	end := bytes.IndexByte(digits, ',')
	if end < 0 {
		return h, false
	}
	seq, err := strconv.ParseInt(string(digits[:end]), 10, 64)
	return Head{seq, hash}, err == nil && seq > 0
}

// ParseRecord reads a line, without its line break. The members must be those of a record in their order. Values come as they are
// kept: cleaned, and the body as Record.Body says.
func ParseRecord(line []byte) (*Record, error) {
	p := &lineParser{decoder: json.NewDecoder(bytes.NewReader(line))}
	p.decoder.UseNumber()
	p.delimiter('{')
	var r Record
	if at, err := time.Parse(timeFormat, p.text("time")); err == nil {
		r.Time = at
	} else {
		p.fail("time", "must be a time with offset")
	}
	r.System, r.Direction, r.Part = p.text("system"), Direction(p.text("direction")), Part(p.text("part"))
	r.RequestID, r.XRoadID, r.Client, r.Service = p.text("requestId"), p.text("xroadId"), p.text("client"), p.text("service")
	r.Issue, r.Protocol, r.Method, r.Path = p.text("issue"), p.text("protocol"), p.text("method"), p.text("path")
	r.Status = int(p.number("status"))
	r.Fault = p.text("fault")
	r.Duration = time.Duration(-1)
	if ms := p.number("durationMs"); ms >= 0 {
		r.Duration = time.Duration(ms) * time.Millisecond
	}
	r.Size, r.Replica, r.Seq = p.number("size"), p.text("replica"), p.number("seq")
	r.KeyID, r.Digest, r.Body, r.Hash = p.text("keyId"), p.text("bodySha256"), p.text("body"), p.text("hash")
	p.delimiter('}')
	if p.err == nil && p.decoder.InputOffset() != int64(len(line)) {
		p.fail("line", "must end after the record")
	}
	if p.err != nil {
		return nil, p.err
	}
	if _, _, ok := splitHash(line); !ok || r.Seq < 1 {
		return nil, errors.New("record: must have a number and end in its hash")
	}
	return &r, nil
}

// lineParser reads members in a fixed order and keeps the first error.
type lineParser struct {
	decoder *json.Decoder
	err     error
}

func (p *lineParser) fail(member, rule string) {
	if p.err == nil {
		p.err = fmt.Errorf("record: %s: %s", member, rule)
	}
}

func (p *lineParser) delimiter(want json.Delim) {
	if token, err := p.decoder.Token(); err != nil || token != want {
		p.fail("line", "must be one JSON object of a record's members")
	}
}

// member is the value of the next member, which must have the name.
func (p *lineParser) member(name string) any {
	if p.err != nil {
		return nil
	}
	if token, err := p.decoder.Token(); err != nil || token != name {
		p.fail(name, "must be there, in its place")
		return nil
	}
	token, err := p.decoder.Token()
	if err != nil {
		p.fail(name, "must be a text or a number")
	}
	return token
}

func (p *lineParser) text(name string) string {
	text, ok := p.member(name).(string)
	if !ok {
		p.fail(name, "must be a text")
	}
	return orNothing(text)
}

// number is negative for "-".
func (p *lineParser) number(name string) int64 {
	switch value := p.member(name).(type) {
	case json.Number:
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n >= 0 {
			return n
		}
	case string:
		if value == empty {
			return -1
		}
	}
	p.fail(name, "must be a whole number")
	return -1
}
