package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/store"
)

// logCommand works on the exchange log.
type logCommand struct {
	Switch   logSwitch   `cmd:"" help:"Change how an external system is logged, on every replica, while they run. Who did it is kept."`
	Verify   logVerify   `cmd:"" help:"Check that nothing in the exchange log was changed, removed, inserted or moved. Exit status 0: whole; 1: something is wrong; 2: it could not be read."`
	Export   logExport   `cmd:"" help:"Write a month of a system's exchange log out as a signed archive, and with --drop remove it from the log then."`
	Show     logShow     `cmd:"" help:"Find exchanges in the log and its archives and show their messages."`
	Evidence logEvidence `cmd:"" help:"Pack one exchange into a bundle that anybody can check with standard tools."`
}

// logVerify reads files, or the archives that are named; it needs neither the database nor a key for what is encrypted.
type logVerify struct {
	Archives []string `arg:"" optional:"" type:"path" placeholder:"FOLDER" help:"Archives of one or several months, or evidence that was unpacked; without any, the live log is checked."`
	Cert     []string `type:"path" placeholder:"FILE" help:"PEM file with certificates that sign archives; default the settings' log.signingCert."`
	Config   string   `type:"path" placeholder:"FILE" help:"Settings file, for log.dir and log.sealKey."`
	Dir      string   `type:"path" placeholder:"FOLDER" help:"Folder of the log; default the settings' log.dir."`
	System   string   `placeholder:"NAME" help:"Only this system's, in files."`
	Tables   bool     `help:"Check the database's tables instead of files."`
	Key      []string `type:"path" placeholder:"FILE" help:"PEM file of an Ed25519 key, public or private, that signs seals; default the settings' log.sealKey."`
	Head     []string `placeholder:"STREAM=SEQ:HASH" help:"A head that was kept elsewhere, such as emta/host/request=120:9f86d081884c7; the hash may be its beginning, of 8 digits at least."`
}

// errVerify are the exit statuses of verify.
type errVerify struct {
	status int
	err    error
}

func (e *errVerify) Error() string { return e.err.Error() }

func (e *errVerify) Unwrap() error { return e.err }

// ExitCode is for kong.
func (e *errVerify) ExitCode() int { return e.status }

var errLogWrong = errors.New("the exchange log is not what was written")

// Run is for kong.
func (c *logVerify) Run(ctx context.Context) error {
	s, err := loadSettings(c.Config, os.Environ())
	if err == nil {
		err = c.verify(ctx, s.Log, os.Stdout)
	}
	if err != nil && !errors.Is(err, errLogWrong) {
		return &errVerify{2, err}
	}
	if err != nil {
		return &errVerify{1, err}
	}
	return nil
}

func (c *logVerify) verify(ctx context.Context, s Log, out io.Writer) error {
	trusted, err := Settings{Log: s}.trusted(c.Cert)
	if err != nil {
		return fmt.Errorf("--cert: %w", err)
	}
	if len(c.Archives) > 0 {
		return verifyArchives(ctx, c.Archives, trusted, out)
	}
	folder, keys := s.Dir, c.Key
	if c.Dir != "" {
		folder = c.Dir
	}
	if keys == nil && s.SealKey != "" {
		keys = []string{s.SealKey}
	}
	var options exchangelog.VerifyOptions
	for _, path := range keys {
		key, err := exchangelog.ReadPublicKey(path)
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		options.Keys = append(options.Keys, key)
	}
	for _, text := range c.Head {
		head, err := parseHead(text)
		if err != nil {
			return err
		}
		options.Heads = append(options.Heads, head)
	}
	if c.Tables {
		return withStore(ctx, c.Config, func(st store.Store) error {
			removed, err := removedMonths(ctx, exchangelog.TableMonths{MonthTables: st}, "", trusted, out)
			if err != nil {
				return err
			}
			return verifyLog(ctx, exchangelog.Continued{Source: st, Removed: removed}, options, out)
		})
	}
	removed, err := removedMonths(ctx, exchangelog.NewFiles(folder, nil), c.System, trusted, out)
	if err != nil {
		return err
	}
	source := exchangelog.Continued{Source: exchangelog.FileSource{Folder: folder, System: c.System}, Removed: removed}
	return verifyLog(ctx, source, options, out)
}

// verifyLog reports on a source, and on what cannot be known.
func verifyLog(ctx context.Context, source exchangelog.Source, o exchangelog.VerifyOptions, out io.Writer) error {
	report, err := exchangelog.Verify(ctx, source, o)
	if err != nil {
		return err
	}
	if len(report.Streams) == 0 {
		return errors.New("there is no exchange log here")
	}
	if _, err := report.WriteTo(out); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nWhat this cannot find: an end that was cut off together with its sidecar and every copy of the head.")
	if len(o.Keys) == 0 {
		fmt.Fprintln(out, "Signatures were not checked: give --key, or set log.sealKey. A log that was written anew from its beginning would pass.")
	}
	if report.Wrong() {
		return errLogWrong
	}
	return nil
}

// minHead is how much of a hash a head must give to mean something.
const minHead = 8

// parseHead reads STREAM=SEQ:HASH.
func parseHead(text string) (exchangelog.KnownHead, error) {
	wrong := fmt.Errorf("--head %q: must be system/replica/part=number:hash", text)
	name, head, ok := strings.Cut(text, "=")
	number, hash, ok2 := strings.Cut(head, ":")
	stream, err := exchangelog.ParseStream(name)
	if !ok || !ok2 || err != nil {
		return exchangelog.KnownHead{}, wrong
	}
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq < 1 || len(hash) < minHead || strings.Trim(hash, "0123456789abcdef") != "" {
		return exchangelog.KnownHead{}, wrong
	}
	return exchangelog.KnownHead{Stream: stream, Head: exchangelog.Head{Seq: seq, Hash: hash}, From: "--head"}, nil
}
