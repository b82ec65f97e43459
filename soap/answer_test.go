package soap_test

import (
	"errors"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// 67: a security server's code leaves only where a security server is known to have made it.
func TestReplyFaultGuardsCodes(t *testing.T) {
	tests := []struct {
		code    string
		refused bool
	}{
		{"Client.InvalidSoap", true},
		{"client.invalid_soap", true},
		{"CLIENT.X", true},
		{"Server.ClientProxy", true},
		{"server.client_proxy.x", true},
		{" Server.ServerProxy.ServiceFailed.HttpError", true},
		{"Client", false},
		{"Server", false},
		{"Server.Database", false},
		{"ClientError", false},
		{"at:Client.x", false},
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			f := &soap.Fault{Code: test.code, String: "x"}
			_, err := soap.ReplyFault(nil, f)
			require.Equal(t, test.refused, err != nil)
			f.XRoad = xroadhdr.ParseErrorCode(test.code)
			raw, err := soap.ReplyFault(nil, f)
			require.NoError(t, err, "a simulator may")
			m, err := soap.ParseAnswer(raw, soap.Limits{})
			require.NoError(t, err)
			require.Equal(t, f.XRoad.Origin, m.Fault.XRoad.Origin)
		})
	}
}

// What is put into an answer means there what it meant where it stood.
func TestReplyKeepsNamespacesOfForeignBody(t *testing.T) {
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(`<a xmlns="urn:default" xmlns:p="urn:p"><b xmlns:q="urn:q" xmlns:p="urn:nearer"><c p:d="1"><e/><q:f/></c></b></a>`))
	body := doc.FindElement("//c")
	before, err := doc.WriteToString()
	require.NoError(t, err)
	for name, raw := range goodFiles(t) {
		req, err := soap.ParseRequest(raw, soap.Limits{})
		require.NoError(t, err)
		written, err := soap.Reply(req, body)
		require.NoError(t, err)
		answer, err := soap.ParseAnswer(written, soap.Limits{})
		require.NoError(t, err)
		require.Equal(t, canonical(body), canonical(answer.Body), name)
	}
	after, err := doc.WriteToString()
	require.NoError(t, err)
	require.Equal(t, before, after, "the body given is left alone")
}

func TestReplyNeedsBody(t *testing.T) {
	_, err := soap.Reply(nil, nil)
	require.Error(t, err)
}

func TestReplyFaultWritesAllParts(t *testing.T) {
	f := &soap.Fault{Code: "Server", String: "x", Actor: "urn:me", Reason: "Busy", Field: "a/b", RequestID: "r-1"}
	raw, err := soap.ReplyFault(nil, f)
	require.NoError(t, err)
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	require.NoError(t, err)
	require.Equal(t, "urn:me", m.Fault.Actor)
	require.Equal(t, []string{"Busy", "a/b", "r-1"}, []string{childText(m.Fault.Detail, "reason"), childText(m.Fault.Detail, "field"), childText(m.Fault.Detail, "requestId")})
}

func TestFaultKeepsCauseOutOfText(t *testing.T) {
	cause := errors.New("10.0.0.1")
	f := soap.ServerFault("try later", cause)
	require.ErrorIs(t, f, cause)
	require.Equal(t, "soap fault Server: try later", f.Error())
}
