package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// logEvidence packs one exchange.
type logEvidence struct {
	Config        string `type:"path" placeholder:"FILE" help:"Settings file."`
	ID            string `required:"" placeholder:"ID" help:"The request id, or X-Road's id, of the exchange."`
	System        string `placeholder:"NAME" help:"Whose log: emta, paasuke or core; default all are looked through."`
	Out           string `type:"path" placeholder:"FILE" help:"The bundle; default evidence-ID.tar.gz here. Nothing is overwritten."`
	WholeSegments bool   `help:"Add the segments themselves, so that the whole chain can be computed. They hold the exchanges of others: not for everybody's eyes."`
	Tables        bool   `help:"Look into the database's tables as well; not needed where the settings log to them."`
	By            string `placeholder:"NAME" help:"Who asks for it, for the manifest; default the user of this machine."`
}

// Run is for kong.
func (c *logEvidence) Run(ctx context.Context) error {
	s, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	e, err := s.exporter(time.Now, newLogger(os.Stderr, quietLevel))
	if err != nil {
		return err
	}
	return withTables(ctx, c.Config, c.Tables || s.logsToTables(c.System), func(tables exchangelog.MonthStore) error {
		return c.pack(ctx, s, e, tables, os.Stdout)
	})
}

func (c *logEvidence) pack(ctx context.Context, s Settings, e exchangelog.Exporter, tables exchangelog.MonthStore, out io.Writer) error {
	trusted, err := s.trusted(nil)
	if err != nil {
		return err
	}
	open, err := s.opener()
	if err != nil {
		return err
	}
	v, first, err := exchangelog.EvidenceOf(ctx, s.logPlaces(tables, trusted), logNames(c.System), c.ID, func(r *exchangelog.Record) ([]byte, error) { return open(r).Plain() })
	if errors.Is(err, exchangelog.ErrNothing) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	v.WholeSegments = c.WholeSegments
	if v.Archive, err = archiveOf(first, s.archivesFor(first.Place, trusted)); err != nil {
		return err
	}
	file := c.Out
	if file == "" {
		file = "evidence-" + v.RequestID + ".tar.gz"
	}
	by := c.By
	if by == "" {
		by = operatorName()
	}
	err = e.WriteEvidence(ctx, v, file, by)
	if errors.Is(err, exchangelog.ErrUnsealed) {
		return fmt.Errorf("%w; a running adapter seals within the hour, and when it stops", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "exchange %s is packed in %s; its README.txt says how to check it\n", v.RequestID, file)
	return nil
}

// archivesFor are the archives of a place, itself if it is one.
func (s Settings) archivesFor(place exchangelog.Place, trusted []*x509.Certificate) exchangelog.Archives {
	if archives, ok := place.Source.(exchangelog.Archives); ok {
		return archives
	}
	if place.Name == placeTables {
		return exchangelog.Archives{Dir: s.tableArchives(), Trusted: trusted}
	}
	return exchangelog.Archives{Dir: s.Log.ArchiveDir, Trusted: trusted}
}

// archiveOf is the signed manifest of the month's archive, if it is archived with the record's segment as it is; nil if not.
func archiveOf(r exchangelog.FoundRecord, archives exchangelog.Archives) ([]byte, error) {
	a, err := archives.Open(r.Stream.System, r.Month)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer a.Close()
	for _, c := range a.Manifest.Chapters {
		for _, segment := range c.Segments {
			if a.Manifest.Stream(c) == r.Stream && segment.Number == r.Segment {
				return bytes.Clone(a.Text), nil
			}
		}
	}
	return nil, nil
}
