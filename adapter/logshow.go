package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// logShow finds exchanges and shows them.
type logShow struct {
	Config string   `type:"path" placeholder:"FILE" help:"Settings file."`
	ID     string   `placeholder:"ID" help:"The request id, or X-Road's id, of the exchange."`
	Order  string   `placeholder:"TEXT" help:"Exchanges whose message holds this order: EMTA's order id, the stamp, any text."`
	System string   `placeholder:"NAME" help:"Only this system's: emta, paasuke or core."`
	From   string   `placeholder:"TIME" help:"From this time on, Estonian: 2026-10-31, or 2026-10-31T14:05, or with an offset. Default, without an id: a day ago."`
	To     string   `placeholder:"TIME" help:"Before this time."`
	Limit  int      `default:"20" help:"Show so many exchanges, the earliest (${default})."`
	Cert   []string `type:"path" placeholder:"FILE" help:"PEM file with certificates that sign archives; default the settings' log.signingCert. Without it archives are not looked at."`
	Tables bool     `help:"Look into the database's tables as well; not needed where the settings log to them."`
	JSON   bool     `name:"json" help:"Print one JSON object a record: the line as it is kept, and where it stands."`
}

// Run is for kong.
func (c *logShow) Run(ctx context.Context) error {
	s, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	return withTables(ctx, c.Config, c.Tables || s.logsToTables(c.System), func(tables exchangelog.MonthStore) error {
		return c.show(ctx, s, tables, time.Now(), os.Stdout)
	})
}

// errNotFound ends a search that found nothing.
var errNotFound = errors.New("no such exchange is in the log")

func (c *logShow) show(ctx context.Context, s Settings, tables exchangelog.MonthStore, now time.Time, out io.Writer) error {
	trusted, err := s.trusted(c.Cert)
	if err != nil {
		return err
	}
	q := exchangelog.Query{Systems: logNames(c.System), ID: c.ID, Limit: c.Limit}
	if c.Order != "" {
		q.Texts = []string{c.Order}
	}
	if q.From, err = momentOf("--from", c.From); err != nil {
		return err
	}
	if q.To, err = momentOf("--to", c.To); err != nil {
		return err
	}
	if q.From.IsZero() && q.To.IsZero() && q.ID == "" {
		q.From = now.AddDate(0, 0, -1)
	}
	open, err := s.opener()
	if err != nil {
		return err
	}
	found, more, err := exchangelog.Find(ctx, s.logPlaces(tables, trusted), q, func(r *exchangelog.Record) ([]byte, error) { return open(r).Plain() })
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errNotFound
	}
	for _, x := range found {
		for _, r := range x.Records {
			if err := c.print(out, r, open(r.Record)); err != nil {
				return err
			}
		}
	}
	if more && !c.JSON {
		_, err = fmt.Fprintf(out, "There are more than %d: narrow the search, or raise --limit.\n", c.Limit)
	}
	return err
}

// momentOf reads a time of the command line; zero for none.
func momentOf(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, estonia); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%s %q: must be a day, such as 2026-10-31, or a time, such as 2026-10-31T14:05 or 2026-10-31T14:05:00+02:00", flag, text)
	}
	return t, nil
}

// print shows a record; opened is the same, decrypted where it can be.
func (c *logShow) print(out io.Writer, r exchangelog.FoundRecord, opened *exchangelog.Record) error {
	where := filepath.Join(r.Place.Name, r.Stream.String())
	if c.JSON {
		var content *shownContent
		if opened.KeyID != r.Record.KeyID {
			content = &shownContent{opened.Path, opened.Digest, opened.Body}
		}
		line, err := json.Marshal(struct {
			Place   string          `json:"place"`
			Month   string          `json:"month"`
			Segment int             `json:"segment"`
			Record  json.RawMessage `json:"record"`
			Content *shownContent   `json:"content,omitempty"` // decrypted
		}{r.Place.Name, r.Month.String(), r.Segment, r.Line, content})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	return printRecord(out, opened, fmt.Sprintf("%s, segment %d, record %d", where, r.Segment, r.Record.Seq))
}

// shownContent is what was encrypted of a record.
type shownContent struct {
	Path   string `json:"path"`
	SHA256 string `json:"bodySha256"`
	Body   string `json:"body"`
}

// printRecord shows a record to a person. Nothing in it that came from outside can steer the terminal.
func printRecord(out io.Writer, r *exchangelog.Record, where string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %s %s\n", r.Time.In(estonia).Format("2006-01-02 15:04:05.000 -07:00"), r.System, r.Direction, r.Part)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-11s %s\n", name, oneLine(value))
		}
	}
	line("request id", r.RequestID)
	line("X-Road id", r.XRoadID)
	line("client", r.Client)
	line("service", r.Service)
	line("issue", r.Issue)
	line("called", strings.TrimSpace(r.Method+" "+r.Path))
	if r.Status >= 0 && r.Part == exchangelog.Response {
		line("status", fmt.Sprint(r.Status))
	}
	line("fault", r.Fault)
	if r.Duration >= 0 && r.Part == exchangelog.Response {
		line("took", r.Duration.String())
	}
	if r.Size >= 0 {
		line("size", fmt.Sprintf("%d bytes", r.Size))
	}
	line("stands in", where)
	line("hash", r.Hash)
	body, err := r.Plain()
	switch {
	case err == nil:
		fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(readable(body), "\n"))
	case r.KeyID != "":
		line("body", "encrypted with key "+r.KeyID)
	case r.Digest != "":
		line("body", "not kept; SHA-256 "+r.Digest)
	}
	_, err = fmt.Fprintf(out, "%s\n", b.String())
	return err
}

// oneLine is terminalSafe without line breaks.
func oneLine(text string) string {
	return strings.ReplaceAll(terminalSafe(text), "\n", `\n`)
}
