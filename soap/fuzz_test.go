package soap_test

import (
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// unlimited is for what we wrote: escaping makes a message longer than the one it repeats.
var unlimited = soap.Limits{Bytes: 1 << 40, Depth: 1 << 20, Nodes: 1 << 30, Attributes: 1 << 20}

// Whatever is accepted can be answered and refused, with an equal header; whatever is not, can be refused.
func FuzzParseRequest(f *testing.F) {
	for _, raw := range goodFiles(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, err := soap.ParseRequest(raw, soap.Limits{})
		refusal := soap.ServerFault("a <text> & more", nil)
		if err != nil {
			require.ErrorAs(t, err, &refusal)
		}
		written, writeErr := soap.ReplyFault(req, refusal)
		require.NoError(t, writeErr)
		fault, readErr := soap.ParseAnswer(written, unlimited)
		require.NoError(t, readErr, "%s", written)
		require.Equal(t, refusal.Code, fault.Fault.Code)
		require.Equal(t, refusal.String, fault.Fault.String)
		if req != nil && req.Header != nil {
			require.Equal(t, comparable(req.XRoad), fault.XRoad)
			require.Equal(t, blocks(req.Header), blocks(fault.Header))
		}
		if err != nil {
			return
		}
		written, err = soap.Reply(req, req.Body)
		require.NoError(t, err)
		answer, err := soap.ParseAnswer(written, unlimited)
		if req.Body.Tag == "Fault" {
			return
		}
		require.NoError(t, err, "%s", written)
		require.Equal(t, comparable(req.XRoad), answer.XRoad)
		require.Equal(t, canonical(req.Body), canonical(answer.Body), "the body means the same in its new place")
	})
}

// Whatever is accepted can be passed on, as a simulator does.
func FuzzParseAnswer(f *testing.F) {
	for _, path := range []string{"testdata/messages/*.xml", "testdata/good/*.answer.xml", "testdata/good/*.fault.xml", "testdata/bad/*.xml"} {
		for _, raw := range globbed(f, path) {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := soap.ParseAnswer(raw, soap.Limits{})
		if err != nil {
			require.Nil(t, m)
			return
		}
		if m.Fault == nil {
			require.NotEmpty(t, m.XRoad.Client.MemberCode)
			written, err := soap.Reply(m, m.Body)
			require.NoError(t, err)
			again, err := soap.ParseAnswer(written, unlimited)
			require.NoError(t, err, "%s", written)
			require.Equal(t, comparable(m.XRoad), again.XRoad)
			return
		}
		written, err := soap.ReplyFault(nil, m.Fault)
		if err != nil {
			require.ErrorContains(t, err, "security server's")
			return
		}
		again, err := soap.ParseAnswer(written, unlimited)
		require.NoError(t, err, "%s", written)
		require.Equal(t, m.Fault.String, again.Fault.String)
		require.Equal(t, m.Fault.Actor, again.Fault.Actor)
		require.Equal(t, m.Fault.Detail != nil, again.Fault.Detail != nil)
		if m.Fault.Detail != nil {
			require.Equal(t, canonicalChildren(m.Fault.Detail), canonicalChildren(again.Fault.Detail))
		}
	})
}

func canonicalChildren(el *etree.Element) []string {
	var list []string
	for _, child := range el.ChildElements() {
		list = append(list, canonical(child))
	}
	return list
}
