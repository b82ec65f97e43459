package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/store"
)

// checkArchives refuses settings by which months would be kept for ever though they are to go, or go without an archive.
func (s Settings) checkArchives() error {
	if (s.Log.SigningKey == "") != (s.Log.SigningCert == "") {
		return &settingError{"log.signingKey", "needs log.signingCert beside it, and the other way round"}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Log.Systems)) {
		switch keep := s.Log.Systems[name].KeepMonths; {
		case keep < 0:
			return &settingError{"log.systems." + name + ".keepMonths", "must not be negative"}
		case keep > 0 && s.Log.SigningKey == "":
			return &settingError{"log.systems." + name + ".keepMonths", "needs log.signingKey and log.signingCert: what is not archived is not removed"}
		}
	}
	return nil
}

// quietLevel is for commands: what goes wrong with the log is said, nothing else.
const quietLevel = slog.LevelWarn

// estonia is where the log's days and months are of.
var estonia = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Tallinn")
	if err != nil {
		panic(err) // package exchangelog embeds it
	}
	return zone
}()

var errNoSigningKey = errors.New("set log.signingKey and log.signingCert: archives and evidence are signed")

// exporter is what archives and evidence are made with.
func (s Settings) exporter(now func() time.Time, log *slog.Logger) (exchangelog.Exporter, error) {
	e := exchangelog.Exporter{Dir: s.Log.ArchiveDir, Tool: thisBuild().String(), Now: now, Logger: log,
		Key: func(system, id string) ([]byte, error) { return exchangelog.WrappedKey(s.Log.Dir, system, id) }}
	if s.Log.SigningKey == "" {
		return e, errNoSigningKey
	}
	key, err := os.ReadFile(s.Log.SigningKey)
	if err != nil {
		return e, fmt.Errorf("setting log.signingKey: %w", err)
	}
	cert, err := os.ReadFile(s.Log.SigningCert)
	if err != nil {
		return e, fmt.Errorf("setting log.signingCert: %w", err)
	}
	if e.Signer, err = exchangelog.NewSigner(key, cert); err != nil {
		return e, fmt.Errorf("settings log.signingKey, log.signingCert: %w", err)
	}
	if s.Log.SealKey == "" {
		return e, nil
	}
	if e.SealKey, err = exchangelog.ReadSealKey(s.Log.SealKey); err != nil {
		return e, fmt.Errorf("setting log.sealKey: %w", err)
	}
	e.Seals = e.SealKey.Public()
	return e, nil
}

// trusted are the certificates of the files, or if there are none of the setting log.signingCert; none where that is not set either.
func (s Settings) trusted(files []string) ([]*x509.Certificate, error) {
	if len(files) == 0 && s.Log.SigningCert != "" {
		files = []string{s.Log.SigningCert}
	}
	var certs []*x509.Certificate
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		more, err := exchangelog.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		certs = append(certs, more...)
	}
	return certs, nil
}

// logPlaces are where exchanges are looked for, the live log first; tables may be nil. Archives are among them only where their
// signatures can be checked.
func (s Settings) logPlaces(tables exchangelog.MonthStore, trusted []*x509.Certificate) []exchangelog.Place {
	places := []exchangelog.Place{{Name: s.Log.Dir, Source: exchangelog.NewFiles(s.Log.Dir, nil)}}
	if tables != nil {
		places = append(places, exchangelog.Place{Name: placeTables, Source: tables})
	}
	for _, dir := range []string{s.Log.ArchiveDir, s.tableArchives()} {
		if len(trusted) > 0 {
			places = append(places, exchangelog.Place{Name: dir, Source: exchangelog.Archives{Dir: dir, Trusted: trusted}})
		}
	}
	return places
}

// opener returns what opens an encrypted record, from the log or an archive; one whose key is not at hand stays as it is.
func (s Settings) opener() (func(*exchangelog.Record) *exchangelog.Record, error) {
	if s.Log.MasterKey == "" {
		return func(r *exchangelog.Record) *exchangelog.Record { return r }, nil
	}
	keys, err := exchangelog.OpenKeys(s.Log.Dir, s.Log.MasterKey)
	if err != nil {
		return nil, fmt.Errorf("setting log.masterKey: %w", err)
	}
	keys.Archived(s.Log.ArchiveDir, s.tableArchives())
	return func(r *exchangelog.Record) *exchangelog.Record {
		if opened, err := keys.Open(r); err == nil {
			return opened
		}
		return r
	}, nil
}

// tableArchives is the folder of the archives of tables: a system that is logged to files as well has another chain there.
func (s Settings) tableArchives() string { return filepath.Join(s.Log.ArchiveDir, placeTables) }

// placeTables and placeFiles are where a log is, as commands name it.
const (
	placeTables = "tables"
	placeFiles  = "files"
)

// logsToTables reports whether the settings file sends a system's log to the database, or any with an empty name.
func (s Settings) logsToTables(system string) bool {
	systems, err := s.logSystems()
	if err != nil {
		return false
	}
	for name, set := range systems {
		if (system == "" || name == system) && slices.Contains(set.Sinks, placeTables) {
			return true
		}
	}
	return false
}

// withTables gives work the database's tables where they are wanted, else nil.
func withTables(ctx context.Context, config string, wanted bool, work func(exchangelog.MonthStore) error) error {
	if !wanted {
		return work(nil)
	}
	return withStore(ctx, config, func(st store.Store) error { return work(exchangelog.TableMonths{MonthTables: st}) })
}

// logNames are the systems that there are, or the one that was asked for.
func logNames(system string) []string {
	if system != "" {
		return []string{system}
	}
	return slices.Sorted(maps.Keys(defaultLogSystems()))
}

// monthRemoved is the kind of a security event.
const monthRemoved = "exchange log month removed"

// tellRemoval writes into the security log that a month is about to be removed.
func tellRemoval(keep func(context.Context, security.Event) error, now func() time.Time, by string) func(context.Context, exchangelog.Manifest) error {
	return func(ctx context.Context, m exchangelog.Manifest) error {
		return keep(ctx, security.Event{At: now(), Replica: replicaName(), Kind: monthRemoved, Actor: by, Count: 1,
			Detail: fmt.Sprintf("%s %s: %d records of %d streams, archived on %s", m.System, m.Month, m.Count(), len(m.Chapters), m.Created.In(estonia).Format(time.DateOnly))})
	}
}
