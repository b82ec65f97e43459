package exchangelog_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// masterKeys writes a file of master keys, each made of one byte.
func masterKeys(t testing.TB, bytesOf ...byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master")
	text := "# newest first\n"
	for _, b := range bytesOf {
		text += base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) + "\n"
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func openKeys(t testing.TB, folder, file string) *exchangelog.Keys {
	t.Helper()
	keys, err := exchangelog.OpenKeys(folder, file)
	require.NoError(t, err)
	return keys
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

const secretPath = "/v1/delegates/EE60001019906/mandates"

// What was encrypted is in no file in clear, is read with the key, also after the master key was changed, and is gone with the
// month's key, while the chain still verifies.
func TestEncryption(t *testing.T) {
	folder, clock := t.TempDir(), newClock(noon)
	o := options(folder)
	o.Now = clock.now
	first := masterKeys(t, 1)
	o.Keys = openKeys(t, folder, first)
	log := open(t, o)
	handler := log.Handler("emta", exchangelog.REST, refuse, http.HandlerFunc(echo))
	send := func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, secretPath, strings.NewReader("Mari Maasikas")))
	}
	send()
	clock.set(noon.AddDate(0, 1, 0))
	send()
	closeLog(t, log)

	kept := records(t, folder, "emta", "request")
	require.Len(t, kept, 2)
	for _, r := range kept {
		require.NotContains(t, r.Body, "Mari")
		require.Equal(t, "/v1/delegates/EE***/mandates", r.Path)
		require.Empty(t, r.Digest)
		opened, err := o.Keys.Open(r)
		require.NoError(t, err)
		require.Equal(t, "Mari Maasikas", opened.Body)
		require.Equal(t, secretPath, opened.Path)
		require.Len(t, opened.Digest, 64)
	}
	require.NotEqual(t, kept[0].KeyID, kept[1].KeyID, "a key a month")
	require.True(t, strings.HasPrefix(kept[0].KeyID, "emta-2026-11-"))

	// Content is bound to its record.
	moved := *kept[0]
	moved.RequestID = "id-2"
	_, err := o.Keys.Open(&moved)
	require.Error(t, err)

	// Another process uses the same key; so does one with a new master key, and after that the old one is not needed.
	log = open(t, o)
	closeLog(t, log)
	second := openKeys(t, folder, masterKeys(t, 2, 1))
	n, err := second.Rewrap()
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = second.Rewrap()
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = openKeys(t, folder, masterKeys(t, 2)).Open(kept[0])
	require.NoError(t, err)
	_, err = openKeys(t, folder, first).Open(kept[0])
	require.ErrorIs(t, err, exchangelog.ErrNoKey)
	n, err = openKeys(t, folder, masterKeys(t, 3)).Rewrap()
	require.ErrorIs(t, err, exchangelog.ErrNoKey)
	require.Zero(t, n)

	require.NoError(t, os.Remove(filepath.Join(folder, "emta", "keys", kept[0].KeyID+".key")))
	third := openKeys(t, folder, masterKeys(t, 2))
	_, err = third.Open(kept[0])
	require.ErrorIs(t, err, exchangelog.ErrNoKey)
	_, err = third.Open(kept[1])
	require.NoError(t, err)
	report := verify(t, folder, exchangelog.VerifyOptions{})
	require.False(t, report.Wrong(), "%s", text(t, report))
	outside := *kept[1]
	outside.KeyID = "../../../etc/passwd"
	_, err = third.Open(&outside)
	require.ErrorIs(t, err, exchangelog.ErrNoKey)
}

// What cannot be encrypted is not kept in clear, and the exchange is refused.
func TestNoKeyNoContent(t *testing.T) {
	folder := t.TempDir()
	o := options(folder)
	o.Keys = openKeys(t, folder, masterKeys(t, 1))
	log := open(t, o)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "emta", "keys"), nil, 0o600)) // where the folder of keys should be
	w := httptest.NewRecorder()
	log.Handler("emta", exchangelog.REST, refuse, http.HandlerFunc(echo)).ServeHTTP(w, httptest.NewRequest(http.MethodPost, secretPath, strings.NewReader("Mari")))
	require.Equal(t, "refused id-1\n", w.Body.String())
	closeLog(t, log)
	for _, part := range []string{"request", "response"} {
		for _, line := range lines(t, folder, "emta", part) {
			require.NotContains(t, line, "Mari")
			require.NotContains(t, line, "60001019906")
		}
	}
	require.Equal(t, exchangelog.Refused, records(t, folder, "emta", "response")[0].Fault)
}

func TestBadMasterKeys(t *testing.T) {
	for _, text := range []string{"", "# none\n", "short\n", base64.StdEncoding.EncodeToString(make([]byte, 31)), "!"} {
		path := filepath.Join(t.TempDir(), "master")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := exchangelog.OpenKeys(t.TempDir(), path)
		require.ErrorContains(t, err, path, "%q", text)
		require.NotContains(t, err.Error(), "AAAA", "%q", text)
	}
	_, err := exchangelog.OpenKeys(t.TempDir(), filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}
