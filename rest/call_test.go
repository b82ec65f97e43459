package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func callHeader() xroadhdr.Header {
	client := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	provider := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "reg"}
	return xroadhdr.Header{Client: client, ID: "id-1", Service: provider.Service("firms", ""), UserID: new("EE60001019906")}
}

// securityServer answers as one does, with the request's fields, unless spoilt.
func securityServer(t testing.TB, status int, spoil http.Header, body string) (url string, got **http.Request, sent *string) {
	t.Helper()
	got, sent = new(*http.Request), new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		*got, *sent = r, string(b)
		w.Header().Set("X-Road-Id", r.Header.Get("X-Road-Id"))
		w.Header().Set("X-Road-Client", r.Header.Get("X-Road-Client"))
		w.Header().Set("X-Road-Service", "ee-dev/GOV/70000349/reg/%66irms") // encoded in its own way
		w.Header().Set("X-Road-Request-Hash", "aGFzaA==")
		for name, values := range spoil {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, got, sent
}

func TestCall(t *testing.T) {
	url, got, sent := securityServer(t, 200, nil, `{"a":1}`)
	sender := rest.NewSender(rest.SenderOptions{SecurityServer: url + "/"})
	reply, err := sender.Call(t.Context(), rest.Call{Header: callHeader(), Method: "POST", Path: "/v1/x%2Fy?a=1&a=2&b=%2F+x", Body: []byte(`{"q":2}`)})
	require.NoError(t, err)
	require.Equal(t, 200, reply.Status)
	require.Equal(t, `{"a":1}`, string(reply.Body))
	require.Equal(t, "/r1/ee-dev/GOV/70000349/reg/firms/v1/x%2Fy?a=1&a=2&b=%2F+x", (*got).RequestURI)
	require.Equal(t, `{"q":2}`, *sent)
	require.Equal(t, "application/json", (*got).Header.Get("Content-Type"))
	require.Equal(t, []string{"application/json"}, (*got).Header.Values("Accept"))
	require.Equal(t, []string{"ee-dev/GOV/70000310/at"}, (*got).Header.Values("X-Road-Client"))
	require.Empty(t, (*got).Header.Values("X-Road-Service"))
}

// What a provider answers is its answer, whatever the status (ideas 84, 88, 93).
func TestCallReturnsTheProvidersAnswer(t *testing.T) {
	for _, test := range []struct {
		status int
		fields http.Header
	}{
		{404, nil}, {500, nil}, {204, nil}, {302, http.Header{"Location": {"http://elsewhere.example.ee/"}}},
		{400, http.Header{"X-Road-Error": {"the provider's own"}}}, // beside a hash it is no security server's
	} {
		url, _, _ := securityServer(t, test.status, test.fields, "")
		reply, err := rest.NewSender(rest.SenderOptions{SecurityServer: url}).Call(t.Context(), rest.Call{Header: callHeader(), Method: "GET"})
		require.NoError(t, err, test.status)
		require.Equal(t, test.status, reply.Status)
	}
}

// A security server's error is told by its code, not by its status (ideas 85 to 87).
func TestCallServerErrors(t *testing.T) {
	for _, test := range []struct {
		status           int
		code, body, text string
		kind             xroadhdr.FailureKind
	}{
		{500, "Server.ServerProxy.AccessDenied", `{"type":"Server.ServerProxy.AccessDenied","message":"Request is not allowed","detail":"d-1"}`, "Request is not allowed", xroadhdr.Ours},
		{400, "server.serverproxy.access_denied", `{"message":null,"detail":null}`, "", xroadhdr.Ours},
		{500, "Server.ServerProxy.IOError", `<error><type/></error>`, "", xroadhdr.Timeout},
		{500, "Server.ServerProxy.NetworkError", "", "", xroadhdr.Network},
		{500, "Client.BadRequest", "", "", xroadhdr.Ours},
	} {
		url, _, _ := securityServer(t, test.status, http.Header{"X-Road-Error": {test.code}, "X-Road-Request-Hash": nil}, test.body)
		_, err := rest.NewSender(rest.SenderOptions{SecurityServer: url}).Call(t.Context(), rest.Call{Header: callHeader(), Method: "GET"})
		var failure *rest.ServerError
		require.ErrorAs(t, err, &failure, test.code)
		require.Equal(t, xroadhdr.ParseErrorCode(test.code), failure.Code)
		require.Equal(t, test.text, failure.Text)
		require.Equal(t, test.status, failure.Status)
		require.Equal(t, test.kind, failure.Kind(), test.code)
	}
}

// An answer to somebody else's request is none.
func TestCallRefusesForeignAnswers(t *testing.T) {
	for name, values := range map[string][]string{
		"X-Road-Id": {"id-2"}, "X-Road-Client": {"ee-dev/GOV/70000310/other"}, "X-Road-Service": nil,
	} {
		url, _, _ := securityServer(t, 200, http.Header{name: values}, `{}`)
		_, err := rest.NewSender(rest.SenderOptions{SecurityServer: url}).Call(t.Context(), rest.Call{Header: callHeader(), Method: "GET"})
		var failure *rest.SendError
		require.ErrorAs(t, err, &failure, name)
		require.Equal(t, xroadhdr.Theirs, failure.Kind)
		require.ErrorContains(t, err, name)
	}
	url, _, _ := securityServer(t, 200, nil, strings.Repeat("x", 11))
	_, err := rest.NewSender(rest.SenderOptions{SecurityServer: url, MaxAnswer: 10}).Call(t.Context(), rest.Call{Header: callHeader(), Method: "GET"})
	require.ErrorContains(t, err, "longer than 10 bytes")
}

func TestCallThatGetsNoAnswer(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	_, err := rest.NewSender(rest.SenderOptions{SecurityServer: hanging.URL, Timeout: 50 * time.Millisecond}).Call(t.Context(), rest.Call{Header: callHeader(), Method: "GET", Path: "/EE60001019906"})
	var failure *rest.SendError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, xroadhdr.Timeout, failure.Kind)
	require.NotContains(t, err.Error(), "60001019906")
}

// What cannot be sent is refused before anything is (ideas 89, 94).
func TestCallRefuses(t *testing.T) {
	for want, change := range map[string]func(*rest.Call){
		"does not deliver the body of a DELETE": func(c *rest.Call) { c.Method, c.Body = "DELETE", []byte(`{}`) },
		"must begin with / or ?":                func(c *rest.Call) { c.Path = "x" },
		"stands in its path":                    func(c *rest.Call) { c.Header.Service.ServiceVersion = "v1" },
		"instance/class/member/subsystem/code":  func(c *rest.Call) { c.Header.Service.SubsystemCode = "" },
		"the path: ":                            func(c *rest.Call) { c.Path = "/%zz" },
		"the method: ":                          func(c *rest.Call) { c.Method = "G ET" },
		"X-Road-Id":                             func(c *rest.Call) { c.Header.ID = "" },
		"X-Road-UserId":                         func(c *rest.Call) { c.Header.UserID = new("EE1\r\nX-Road-Client: EE/GOV/1") },
		"representedParty/partyCode":            func(c *rest.Call) { c.Header.RepresentedParty = &xroadhdr.RepresentedParty{PartyCode: "B/C"} },
	} {
		c := rest.Call{Header: callHeader(), Method: "GET"}
		change(&c)
		_, err := c.Request(context.Background(), "http://127.0.0.1:1/")
		require.ErrorContains(t, err, want)
	}
}
