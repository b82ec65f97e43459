package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// sealKeyFile writes a key as openssl does.
func sealKeyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seal.pem")
	require.NoError(t, newSealKey(path))
	return path
}

// A notification and a call, as they stand in the log: verified while the program runs, after it stopped, and after a byte was changed.
func TestLogVerify(t *testing.T) {
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	key := sealKeyFile(t)
	program, world := running(t, simulator.Options{
		Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"},
	}, func(s *Settings) { s.XRoad.Client, s.Log.SealKey = "ee-dev/COM/11043739/tkt", key })
	_, _ = postSOAP(t, "http://"+program.Address("xroad")+emtaPath, request)
	_, _, err = world.Core.StartPayment(t.Context(), (&demo{}).ask())
	require.NoError(t, err)

	verified := func(c logVerify) (string, error) {
		var out bytes.Buffer
		err := c.verify(t.Context(), program.settings.Log, &out)
		return out.String(), err
	}
	told, err := verified(logVerify{})
	require.NoError(t, err, "%s", told)
	require.Contains(t, told, "not sealed yet")
	require.NoError(t, program.exchanges.Close(t.Context()))
	told, err = verified(logVerify{})
	require.NoError(t, err, "%s", told)
	require.NotContains(t, told, "not sealed yet")
	require.NotContains(t, told, "Signatures were not checked")

	var text []byte
	require.NoError(t, filepath.WalkDir(program.settings.Log.Dir, func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		if strings.Contains(path, "request") && strings.HasSuffix(path, ".ndjson.gz") {
			text = readGzip(t, path)
			changed := bytes.Replace(text, []byte(sampleOrderID), []byte("order-id-n3n78tt"), 1)
			require.NotEqual(t, text, changed)
			require.NoError(t, os.WriteFile(strings.TrimSuffix(path, ".gz"), changed, 0o600))
			require.NoError(t, os.Remove(path))
		}
		return nil
	}))
	require.Contains(t, string(text), `"direction":"out"`)
	told, err = verified(logVerify{})
	require.ErrorIs(t, err, errLogWrong)
	require.Contains(t, told, "changed: ")

	_, err = verified(logVerify{Dir: t.TempDir()})
	require.ErrorContains(t, err, "there is no exchange log here")
	_, err = verified(logVerify{Head: []string{"emta=1"}})
	require.ErrorContains(t, err, "--head")
	told, err = verified(logVerify{System: "emta", Head: []string{"emta/elsewhere/request=7:0123456789abc"}})
	require.ErrorIs(t, err, errLogWrong)
	require.Contains(t, told, "--head tells of 7 records, and the last here is 0")
}

func readGzip(t testing.TB, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	return text
}
