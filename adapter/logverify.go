package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

var errNoCert = errors.New("give --cert, or set log.signingCert: without a certificate nobody's signature can be told from anybody's")

// verifyArchives checks archives and evidence one by one, and that archives of one system continue each other.
func verifyArchives(ctx context.Context, folders []string, trusted []*x509.Certificate, out io.Writer) error {
	if len(trusted) == 0 {
		return errNoCert
	}
	var wrong error
	months := map[string][]exchangelog.Manifest{}
	for _, folder := range folders {
		if _, err := os.Stat(folder); err != nil {
			return err
		}
		m, err := verifyArchive(ctx, folder, trusted, out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			wrong = errLogWrong
			continue
		}
		if m.Exchange == "" {
			months[m.System] = append(months[m.System], m)
		}
	}
	for _, system := range slices.Sorted(maps.Keys(months)) {
		list := months[system]
		slices.SortFunc(list, func(a, b exchangelog.Manifest) int { return cmp.Compare(a.Month.String(), b.Month.String()) })
		if err := exchangelog.Follow(list...); err != nil {
			fmt.Fprintf(out, "%s: WRONG: %s\n", system, terminalSafe(err.Error()))
			wrong = errLogWrong
		} else if len(list) > 1 {
			fmt.Fprintf(out, "%s: the archives of %s to %s continue each other\n", system, list[0].Month, list[len(list)-1].Month)
		}
	}
	return wrong
}

// verifyArchive checks one archive, or the evidence of an exchange, and tells what it found.
func verifyArchive(ctx context.Context, folder string, trusted []*x509.Certificate, out io.Writer) (exchangelog.Manifest, error) {
	a, err := exchangelog.OpenArchive(folder, trusted)
	if err != nil {
		fmt.Fprintf(out, "%s: WRONG: %s\n", terminalSafe(folder), terminalSafe(err.Error()))
		return exchangelog.Manifest{}, errLogWrong
	}
	defer a.Close()
	m := a.Manifest
	what := fmt.Sprintf("archive of %s %s", m.System, m.Month)
	if m.Exchange != "" {
		what = fmt.Sprintf("evidence of exchange %s with %s", m.Exchange, m.System)
	}
	if err := a.Verify(ctx); err != nil {
		fmt.Fprintf(out, "%s: WRONG: %s: %s\n", terminalSafe(folder), what, terminalSafe(err.Error()))
		tellRecords(ctx, a, out)
		return m, errLogWrong
	}
	fmt.Fprintf(out, "%s: whole: %s, made %s by %s\n", terminalSafe(folder), what, m.Created.In(estonia).Format("2006-01-02 15:04:05 -07:00"), m.CreatedBy)
	for _, c := range m.Chapters {
		records := fmt.Sprintf("records %d to %d, head %s", c.Before.Seq+1, c.Last.Seq, c.Last.Hash)
		if m.Exchange != "" {
			records = fmt.Sprintf("%d segments that end in %s", len(c.Segments), c.Last.Hash)
		}
		fmt.Fprintf(out, "  %s: %s\n", m.Stream(c), records)
	}
	for _, id := range a.KeysGone() {
		fmt.Fprintf(out, "  note: key %s is not here: what it encrypts can be read only where the log still has it\n", id)
	}
	if key, err := a.SealKey(); err == nil && key == nil {
		fmt.Fprintln(out, "  note: no key of seals was set when it was made; the manifest's signature alone vouches for it")
	}
	return m, nil
}

// tellRecords adds what is wrong with single records of an archive.
func tellRecords(ctx context.Context, a *exchangelog.Archive, out io.Writer) {
	if a.Manifest.Exchange != "" {
		return
	}
	var o exchangelog.VerifyOptions
	if key, err := a.SealKey(); err == nil && key != nil {
		o.Keys = []ed25519.PublicKey{key}
	}
	report, err := exchangelog.Verify(ctx, a, o)
	if err != nil || !report.Wrong() {
		return
	}
	_, _ = report.WriteTo(out) // a reader that went away has no use for the rest
}

// removedMonths are the manifests of the months that are not in the live log any more. One that nobody vouches for is told, and
// counts for nothing: what it would explain is then missing.
func removedMonths(ctx context.Context, log exchangelog.MonthStore, system string, trusted []*x509.Certificate, out io.Writer) ([]exchangelog.Manifest, error) {
	var list []exchangelog.Manifest
	for _, name := range logNames(system) {
		removed, err := log.Removed(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, month := range slices.SortedFunc(maps.Keys(removed), func(a, b exchangelog.Month) int { return cmp.Compare(a.String(), b.String()) }) {
			m, err := exchangelog.ReadManifest(removed[month], trusted)
			switch {
			case len(trusted) == 0:
				err = errNoCert
			case err == nil && (m.System != name || m.Month != month):
				err = fmt.Errorf("it is the manifest of %s %s", m.System, m.Month)
			}
			if err != nil {
				fmt.Fprintf(out, "%s %s: the manifest that says it was archived counts for nothing: %s\n", name, month, terminalSafe(err.Error()))
				continue
			}
			fmt.Fprintf(out, "%s %s: archived on %s and removed\n", name, month, m.Created.In(estonia).Format("2006-01-02"))
			list = append(list, m)
		}
	}
	return list, nil
}
