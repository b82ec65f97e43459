package xroadhdr_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// FuzzReadSOAP: reading changes nothing, and what was read and may be written reads back equal.
func FuzzReadSOAP(f *testing.F) {
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".xml") {
			f.Add(readFile(f, path))
		}
		return err
	})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, envelope string) {
		doc := etree.NewDocument()
		doc.ReadSettings.PreserveCData = true
		if doc.ReadFromString(envelope) != nil || doc.Root() == nil {
			return
		}
		for _, el := range append(doc.Root().ChildElements(), doc.Root()) {
			before := written(t, doc.Root())
			h, err := xroadhdr.ReadSOAP(el)
			require.Equal(t, before, written(t, doc.Root()))
			if err != nil {
				require.Zero(t, h)
				requireOwnError(t, err)
				continue
			}
			forgiven, err := xroadhdr.ReadAnswerSOAP(el)
			require.NoError(t, err)
			require.Equal(t, h, forgiven)
			if h.ProtocolVersion != xroadhdr.ProtocolVersion || h.Validate() != nil {
				continue
			}
			out := etree.NewDocument()
			header := out.CreateElement("e:Header")
			require.NoError(t, h.WriteSOAP(header))
			wire, err := out.WriteToBytes()
			require.NoError(t, err)
			back := etree.NewDocument()
			require.NoError(t, back.ReadFromBytes(wire))
			again, err := xroadhdr.ReadSOAP(back.Root())
			require.NoError(t, err)
			require.Equal(t, asWritten(h), again)
		}
	})
}

func requireOwnError(t testing.TB, err error) {
	t.Helper()
	var fe *xroadhdr.FieldError
	require.ErrorAs(t, err, &fe)
	require.NotEmpty(t, fe.Code)
	require.NotEmpty(t, fe.Field)
	require.NotEmpty(t, fe.Rule)
}

// FuzzParseClientPath: what was read writes a path that reads back equal.
func FuzzParseClientPath(f *testing.F) {
	for _, s := range []string{"ee-dev/COM/11000001/shop", "EE/GOV/70000310", "EE/GOV/1%2F2/p%C3%B5hi+%20x", "EE/GOV/%", "EE//1", "a/b/c/d/e", "EE/GOV/\x00", "EE/GOV/%ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := xroadhdr.ParseClientPath(s)
		if err != nil {
			require.Zero(t, c)
			requireOwnError(t, err)
			return
		}
		again, err := xroadhdr.ParseClientPath(c.Path())
		require.NoError(t, err)
		require.Equal(t, c, again)
		require.LessOrEqual(t, strings.Count(c.Path(), "/"), 3)
	})
}

// FuzzParseServicePath: what was read writes a path that reads back equal.
func FuzzParseServicePath(f *testing.F) {
	for _, s := range []string{"ee-dev/GOV/70000001/reg/findFirm", "ee-dev/GOV/70000001/reg/findFirm/v1", "EE/GOV/1/a%2Fb/c", "EE/GOV/1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := xroadhdr.ParseServicePath(s)
		if err != nil {
			require.Zero(t, id)
			requireOwnError(t, err)
			return
		}
		again, err := xroadhdr.ParseServicePath(id.Path())
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}

// FuzzParseClientID: the form of settings reads back as it was written.
func FuzzParseClientID(f *testing.F) {
	for _, s := range []string{"ee-dev/COM/11000001/shop", "EE/GOV/70000310", "EE/GOV/ 1", "EE//1", "a/b/c/d/e", "EE:GOV:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := xroadhdr.ParseClientID(s)
		if err != nil {
			require.Zero(t, c)
			requireOwnError(t, err)
			return
		}
		require.Equal(t, s, c.String())
		viaPath, err := xroadhdr.ParseClientPath(c.Path())
		require.NoError(t, err)
		require.Equal(t, c, viaPath)
	})
}

// FuzzParseErrorCode: both spellings of a code are one, and no code is both done and undone.
func FuzzParseErrorCode(f *testing.F) {
	for _, row := range errorCodes {
		f.Add(row.code, row.text)
	}
	f.Add("Client", "")
	f.Add("Server.ClientProxy.", "'' must not be blank")
	f.Fuzz(func(t *testing.T, s, text string) {
		c := xroadhdr.ParseErrorCode(s)
		require.Equal(t, s, c.Raw)
		group, kind := c.Group(text), c.Kind(text)
		require.Contains(t, []xroadhdr.Group{"A", "B", "C", "D", "E"}, group)
		require.Equal(t, c.Origin == "", group == xroadhdr.GroupProvider)
		if c.BeforeProvider(text) {
			require.NotContains(t, []xroadhdr.FailureKind{xroadhdr.Theirs, xroadhdr.Timeout}, kind)
		}
		if c.Origin == "" {
			require.False(t, c.Is(s))
			return
		}
		require.True(t, c.Is(s))
		again := xroadhdr.ParseErrorCode(c.String())
		again.Raw = s
		require.Equal(t, c, again)
		require.Equal(t, group, again.Group(text))
	})
}
