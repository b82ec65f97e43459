package soap_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

const initNamespace = "http://cpg-v6.x-road.eu"

// initCall is a call of EMTA's cpgOrderInit.
func initCall() soap.Call {
	client := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	provider := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}
	user, issue := "EE60001019906", "ATPUB"
	body := etree.NewElement("cpg:cpgOrderInitRequest")
	body.CreateAttr("xmlns:cpg", initNamespace)
	body.CreateElement("Order").CreateElement("Amount").SetText("30.00")
	return soap.Call{
		Header:   xroadhdr.Header{Client: client, Service: provider.Service("cpgOrderInit", "v1"), UserID: &user, Issue: &issue},
		Body:     body,
		Response: xml.Name{Space: initNamespace, Local: "cpgOrderInitResponse"},
	}
}

// peer is a security server that answers as the case wants.
type peer func(w http.ResponseWriter, raw []byte, req *soap.Message)

// send makes one call to p.
func send(t testing.TB, p peer, edit ...func(*soap.SenderOptions)) (*soap.Message, *soap.CallError) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		req, err := soap.ParseRequest(raw, soap.Limits{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		p(w, raw, req)
	}))
	defer server.Close()
	return call(t, t.Context(), server.URL, edit...)
}

func call(t testing.TB, ctx context.Context, url string, edit ...func(*soap.SenderOptions)) (*soap.Message, *soap.CallError) {
	t.Helper()
	o := soap.SenderOptions{URL: url, NewID: func() string { return "message-1" }}
	for _, e := range edit {
		e(&o)
	}
	sender, err := soap.NewSender(o)
	require.NoError(t, err)
	m, err := sender.Send(ctx, initCall())
	if err == nil {
		return m, nil
	}
	require.Nil(t, m)
	var failed *soap.CallError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "message-1", failed.MessageID)
	return nil, failed
}

// answer is the right answer to req, with the hash of raw added as a provider's security server does (§2.3).
func answer(t testing.TB, raw []byte, req *soap.Message) string {
	t.Helper()
	sum := sha512.Sum512(raw)
	return withHash(t, req, "http://www.w3.org/2001/04/xmlenc#sha512", base64.StdEncoding.EncodeToString(sum[:]))
}

func withHash(t testing.TB, req *soap.Message, algorithm, value string) string {
	t.Helper()
	return swap(t, unhashed(t, req), "</xrd:id>", `</xrd:id><xrd:requestHash algorithmId="`+algorithm+`">`+value+`</xrd:requestHash>`)
}

func unhashed(t testing.TB, req *soap.Message) string {
	t.Helper()
	body := etree.NewElement("cpg:cpgOrderInitResponse")
	body.CreateAttr("xmlns:cpg", initNamespace)
	body.CreateElement("Order").CreateElement("State").SetText("created")
	reply, err := soap.Reply(req, body)
	require.NoError(t, err)
	return string(reply)
}

func respond(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestSenderSendsOneRightRequest(t *testing.T) {
	var fields http.Header
	var raws []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		fields, raws = r.Header, append(raws, string(raw))
		req, err := soap.ParseRequest(raw, soap.Limits{})
		if err != nil {
			t.Error(err)
			return
		}
		respond(w, http.StatusOK, "text/xml; charset=UTF-8", answer(t, raw, req))
	}))
	defer server.Close()
	ids := []string{"a", "b"}
	sender, err := soap.NewSender(soap.SenderOptions{URL: server.URL, RequestHash: soap.RefuseHash, NewID: func() string {
		id := ids[0]
		ids = ids[1:]
		return id
	}})
	require.NoError(t, err)
	m, err := sender.Send(t.Context(), initCall())
	require.NoError(t, err)
	require.Equal(t, "created", m.Body.FindElement("Order/State").Text())
	require.Equal(t, []string{`""`}, fields.Values("Soapaction"), "50: quoted")
	require.Equal(t, "text/xml; charset=UTF-8", fields.Get("Content-Type"))
	require.Empty(t, fields.Get("Accept-Encoding"))
	golden(t, "testdata/request.xml", []byte(raws[0]))

	_, err = sender.Send(t.Context(), initCall())
	require.NoError(t, err)
	require.Contains(t, raws[0], "<xrd:id>a</xrd:id>")
	require.Contains(t, raws[1], "<xrd:id>b</xrd:id>", "an id of its own for each attempt")
}

// The numbers are those of the fact sheet's §9.5.
func TestSenderClassifiesAnswers(t *testing.T) {
	fault := func(status int, code string, header bool) peer {
		return func(w http.ResponseWriter, _ []byte, req *soap.Message) {
			if !header {
				req = nil
			}
			detail := etree.NewElement("detail")
			detail.CreateElement("faultDetail").SetText("d-1")
			raw, err := soap.ReplyFault(req, &soap.Fault{Code: code, String: "no", Detail: detail, XRoad: xroadhdr.ParseErrorCode(code)})
			require.NoError(t, err)
			respond(w, status, "text/xml", string(raw))
		}
	}
	edited := func(edit func(string) string) peer {
		return func(w http.ResponseWriter, raw []byte, req *soap.Message) {
			respond(w, http.StatusOK, "text/xml; charset=UTF-8", edit(answer(t, raw, req)))
		}
	}
	content := func(status int, contentType, body string) peer {
		return func(w http.ResponseWriter, _ []byte, _ *soap.Message) { respond(w, status, contentType, body) }
	}
	sw := func(from, to string) peer {
		return edited(func(s string) string { return swap(t, s, from, to) })
	}
	tests := []struct {
		name    string
		peer    peer
		failure soap.Failure // "" when the answer is used
		kind    xroadhdr.FailureKind
		text    string // part of the error
	}{
		{"69 access denied", fault(200, "Server.ServerProxy.AccessDenied", false), soap.FailedXRoad, xroadhdr.Ours, "Server.ServerProxy.AccessDenied"},
		{"70 access denied, snake", fault(200, "server.serverproxy.access_denied", false), soap.FailedXRoad, xroadhdr.Ours, "access_denied"},
		{"71 provider timed out", fault(200, "Server.ServerProxy.ServiceFailed.IOError", false), soap.FailedXRoad, xroadhdr.Timeout, "IOError"},
		{"72 configuration, snake", fault(200, "server.clientproxy.global_conf_outdated", false), soap.FailedXRoad, xroadhdr.Network, ""},
		{"72 configuration", fault(200, "Server.ClientProxy.OutdatedGlobalConf", false), soap.FailedXRoad, xroadhdr.Network, ""},
		{"73 provider's fault", fault(200, "Server", true), soap.FailedFault, xroadhdr.Theirs, "no"},
		{"74 provider's fault with 500", fault(500, "Server", true), soap.FailedFault, xroadhdr.Theirs, "no"},
		{"75 fault without header", fault(200, "Server", false), soap.FailedFault, xroadhdr.Theirs, "no"},
		{"our fault with 500", fault(500, "Client.InvalidSoap", false), soap.FailedXRoad, xroadhdr.Ours, ""},
		{"fault with 502", fault(502, "Server", true), soap.FailedFault, xroadhdr.Theirs, ""},
		{"76 changed id", sw(">message-1<", ">message-2<"), soap.FailedMismatch, xroadhdr.Theirs, "id"},
		{"76 missing userId", edited(func(s string) string { return cut(t, s, "<xrd:userId>", "</xrd:userId>") }), soap.FailedMismatch, xroadhdr.Theirs, "userId"},
		{"76 altered client", sw(">70000310<", ">70000311<"), soap.FailedMismatch, xroadhdr.Theirs, "client"},
		{"76 altered service", sw(">v1<", ">v2<"), soap.FailedMismatch, xroadhdr.Theirs, "service"},
		{"76 missing id", edited(func(s string) string { return cut(t, s, "<xrd:id>", "</xrd:id>") }), soap.FailedAnswer, xroadhdr.Theirs, "id"},
		{"78 extra header fields", sw("</xrd:protocolVersion>", `</xrd:protocolVersion><a:b xmlns:a="urn:a">c</a:b>`), "", "", ""},
		{"other prefixes", edited(func(s string) string { return strings.NewReplacer("xrd:", "x:", ":xrd=", ":x=").Replace(s) }), "", "", ""},
		{"200 or not", func(w http.ResponseWriter, raw []byte, req *soap.Message) {
			respond(w, http.StatusAccepted, "application/xml", answer(t, raw, req))
		}, "", "", ""},
		{"79 balancer", content(502, "text/html", "<html>bad gateway</html>"), soap.FailedHTTP, xroadhdr.Network, "502"},
		{"79 html with 200", content(200, "text/html", "<html/>"), soap.FailedHTTP, xroadhdr.Network, "not XML"},
		{"no content type", content(200, "", "<a/>"), soap.FailedHTTP, xroadhdr.Network, "not XML"},
		{"redirect", func(w http.ResponseWriter, _ []byte, _ *soap.Message) {
			w.Header().Set("Location", "/elsewhere")
			respond(w, http.StatusTemporaryRedirect, "text/plain", "moved")
		}, soap.FailedHTTP, xroadhdr.Network, "307"},
		{"empty", content(200, "text/xml", ""), soap.FailedHTTP, xroadhdr.Network, "without a body"},
		{"XML that is not SOAP", content(500, "text/xml", "<error/>"), soap.FailedAnswer, xroadhdr.Theirs, "Envelope"},
		{"garbage", content(200, "text/xml", "\x00\x01"), soap.FailedAnswer, xroadhdr.Theirs, "message"},
		{"other charset", content(200, "text/xml; charset=windows-1257", "<a/>"), soap.FailedAnswer, xroadhdr.Theirs, "charset"},
		{"attachments", content(200, `multipart/related; boundary="b"`, "--b"), soap.FailedAnswer, xroadhdr.Theirs, "attachments"},
		{"DTD", edited(func(s string) string { return swap(t, s, "?>", "?><!DOCTYPE a>") }), soap.FailedAnswer, xroadhdr.Theirs, "DOCTYPE"},
		{"too long", edited(func(s string) string { return s + strings.Repeat(" ", 100_000) }), soap.FailedAnswer, xroadhdr.Theirs, "longer"},
		{"compressed", func(w http.ResponseWriter, raw []byte, req *soap.Message) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/xml")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, answer(t, raw, req))
			_ = z.Close()
		}, soap.FailedAnswer, xroadhdr.Theirs, "Content-Encoding"},
		{"other wrapper", sw("<cpg:cpgOrderInitResponse", "<cpg:cpgOrderGetResponse xmlns:a='urn:a'/><cpg:x"), soap.FailedAnswer, xroadhdr.Theirs, ""},
		{"wrapper of another operation", edited(func(s string) string { return strings.ReplaceAll(s, "OrderInitResponse", "OrderGetResponse") }), soap.FailedMismatch, xroadhdr.Theirs, "Body"},
		{"wrapper of another namespace", sw(`xmlns:cpg="http`, `xmlns:cpg="https`), soap.FailedMismatch, xroadhdr.Theirs, "Body"},
		{"fault of another request", func(w http.ResponseWriter, _ []byte, req *soap.Message) {
			raw, err := soap.ReplyFault(req, soap.ServerFault("x", nil))
			require.NoError(t, err)
			respond(w, 500, "text/xml", strings.ReplaceAll(string(raw), ">message-1<", ">message-2<"))
		}, soap.FailedMismatch, xroadhdr.Theirs, "id"},
		{"fault of another request, little header", func(w http.ResponseWriter, _ []byte, req *soap.Message) {
			raw, err := soap.ReplyFault(req, soap.ServerFault("x", nil))
			require.NoError(t, err)
			respond(w, 500, "text/xml", cut(t, strings.ReplaceAll(string(raw), ">message-1<", ">message-2<"), "<xrd:client", "</xrd:client>"))
		}, soap.FailedMismatch, xroadhdr.Theirs, "id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, failed := send(t, test.peer, func(o *soap.SenderOptions) { o.Limits.Bytes, o.RequestHash = 50_000, soap.RefuseHash })
			if test.failure == "" {
				require.Nil(t, failed)
				require.Equal(t, "cpgOrderInitResponse", m.Body.Tag)
				return
			}
			require.NotNil(t, failed)
			require.Equal(t, test.failure, failed.Failure, failed.Error())
			require.Equal(t, test.kind, failed.Kind())
			require.Contains(t, failed.Error(), test.text)
			require.NotZero(t, failed.HTTPStatus)
			require.LessOrEqual(t, len(failed.Raw), 50_000)
			require.Equal(t, failed.Failure == soap.FailedFault || failed.Failure == soap.FailedXRoad, failed.Fault != nil)
			require.False(t, errors.As(error(failed), new(*soap.Fault)), "an operation that returns it must not pass the fault on")
			if failed.Fault != nil && failed.Fault.Detail != nil {
				require.Equal(t, "d-1", failed.Fault.Detail.SelectElement("faultDetail").Text(), "detail is kept raw")
			}
		})
	}
}

func TestSenderTellsEmptyBody(t *testing.T) {
	for _, status := range []int{200, 204, 502} {
		_, failed := send(t, func(w http.ResponseWriter, _ []byte, _ *soap.Message) { w.WriteHeader(status) })
		require.Equal(t, soap.FailedHTTP, failed.Failure)
		require.True(t, failed.EmptyBody)
		require.Equal(t, status, failed.HTTPStatus)
	}
}

// 77: by algorithm, with line breaks, and what becomes of a problem under each policy.
func TestSenderChecksRequestHash(t *testing.T) {
	digest := func(raw []byte, algorithm string) string {
		s512, s384, s256 := sha512.Sum512(raw), sha512.Sum384(raw), sha256.Sum256(raw)
		return base64.StdEncoding.EncodeToString(map[string][]byte{"512": s512[:], "384": s384[:], "256": s256[:]}[algorithm])
	}
	const sha512URI, sha384URI, sha256URI = "http://www.w3.org/2001/04/xmlenc#sha512", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha256"
	tests := []struct {
		name    string
		reply   func(raw []byte, req *soap.Message) string
		problem string
	}{
		{"sha512", func(raw []byte, req *soap.Message) string { return withHash(t, req, sha512URI, digest(raw, "512")) }, ""},
		{"sha384", func(raw []byte, req *soap.Message) string { return withHash(t, req, sha384URI, digest(raw, "384")) }, ""},
		{"sha256", func(raw []byte, req *soap.Message) string { return withHash(t, req, sha256URI, digest(raw, "256")) }, ""},
		{"wrapped", func(raw []byte, req *soap.Message) string {
			hash := digest(raw, "512")
			return withHash(t, req, sha512URI, "\n  "+hash[:64]+"\r\n  "+hash[64:]+"\n")
		}, ""},
		{"wrong", func(raw []byte, req *soap.Message) string {
			return withHash(t, req, sha512URI, digest(append(raw, '\n'), "512"))
		}, soap.HashWrong},
		{"other algorithm than named", func(raw []byte, req *soap.Message) string { return withHash(t, req, sha512URI, digest(raw, "256")) }, soap.HashWrong},
		{"empty", func(_ []byte, req *soap.Message) string { return withHash(t, req, sha512URI, "") }, soap.HashWrong},
		{"unknown algorithm", func(raw []byte, req *soap.Message) string { return withHash(t, req, "urn:md5", digest(raw, "512")) }, soap.HashAlgorithm},
		{"missing", func(_ []byte, req *soap.Message) string { return unhashed(t, req) }, soap.HashMissing},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, policy := range []soap.HashPolicy{"", soap.ReportHash, soap.RefuseHash} {
				var problems []string
				var log bytes.Buffer
				_, failed := send(t, func(w http.ResponseWriter, raw []byte, req *soap.Message) {
					respond(w, 200, "text/xml", test.reply(raw, req))
				}, func(o *soap.SenderOptions) {
					o.RequestHash, o.Logger = policy, slog.New(slog.NewTextHandler(&log, nil))
					o.HashProblems = func(problem string) { problems = append(problems, problem) }
				})
				if test.problem == "" {
					require.Nil(t, failed)
					require.Empty(t, problems)
					require.Empty(t, log.String())
					continue
				}
				require.Equal(t, []string{test.problem}, problems)
				if policy == soap.RefuseHash {
					require.Equal(t, soap.FailedMismatch, failed.Failure)
					continue
				}
				require.Nil(t, failed, "reported only")
				require.Contains(t, log.String(), "level=WARN")
				require.Contains(t, log.String(), "xroadId=message-1")
			}
		})
	}
}

func TestSenderRefusesToSendNonsense(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	sender, err := soap.NewSender(soap.SenderOptions{URL: server.URL})
	require.NoError(t, err)
	tests := map[string]func(*soap.Call){
		"client":   func(c *soap.Call) { c.Header.Client.MemberCode = "" },
		"service":  func(c *soap.Call) { c.Header.Service.ServiceCode = "a/b" },
		"body":     func(c *soap.Call) { c.Body = nil },
		"response": func(c *soap.Call) { c.Response = xml.Name{} },
		"prefix":   func(c *soap.Call) { c.Body = etree.NewElement("nix:a") },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			c := initCall()
			spoil(&c)
			_, err := sender.Send(t.Context(), c)
			var failed *soap.CallError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, soap.FailedRequest, failed.Failure)
			require.Equal(t, xroadhdr.Ours, failed.Kind())
		})
	}
	require.False(t, called)
}

func TestNewSenderChecksOptions(t *testing.T) {
	for _, o := range []soap.SenderOptions{{}, {URL: "localhost:80"}, {URL: "ftp://a/"}, {URL: "http:///a"}, {URL: "http://user:secret@a/"}, {URL: "http://a/", RequestHash: "perhaps"}} {
		_, err := soap.NewSender(o)
		require.Error(t, err, o.URL)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestSenderFillsExchange(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		raw, _ := soap.ReplyFault(nil, soap.ServerFault("no", nil))
		respond(w, 500, "text/xml", string(raw))
	}))
	defer server.Close()
	exchange := &xroadhdr.Exchange{RequestID: "request-1"}
	_, failed := call(t, xroadhdr.WithExchange(t.Context(), exchange), server.URL)
	require.ErrorIs(t, exchange.Err, failed)
	exchange.Err = nil
	c := initCall()
	require.Equal(t, xroadhdr.Exchange{RequestID: "request-1", XRoadID: "message-1", Client: c.Header.Client, Service: c.Header.Service, Issue: "ATPUB", UserID: "EE60001019906", Fault: "Server"}, *exchange)
}

func TestSenderReusesConnections(t *testing.T) {
	var mu sync.Mutex
	connections := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		connections[r.RemoteAddr] = true
		mu.Unlock()
		raw, _ := io.ReadAll(r.Body)
		req, err := soap.ParseRequest(raw, soap.Limits{})
		if err == nil {
			respond(w, 200, "text/xml", answer(t, raw, req))
		}
	}))
	defer server.Close()
	sender, err := soap.NewSender(soap.SenderOptions{URL: server.URL, RequestHash: soap.RefuseHash})
	require.NoError(t, err)
	for range 5 {
		_, err := sender.Send(t.Context(), initCall())
		require.NoError(t, err)
	}
	require.Len(t, connections, 1)
}

func TestSenderIgnoresProxyOfEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	m, failed := send(t, func(w http.ResponseWriter, raw []byte, req *soap.Message) {
		respond(w, 200, "text/xml", answer(t, raw, req))
	})
	require.Nil(t, failed)
	require.NotNil(t, m)
}

func TestSenderWrapsTransport(t *testing.T) {
	seen := 0
	_, failed := send(t, func(w http.ResponseWriter, raw []byte, req *soap.Message) {
		respond(w, 200, "text/xml", answer(t, raw, req))
	},
		func(o *soap.SenderOptions) {
			o.Wrap = func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) { seen++; return next.RoundTrip(r) })
			}
		})
	require.Nil(t, failed)
	require.Equal(t, 1, seen)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// rawServer accepts connections and lets the case do with them what it wants.
func rawServer(t *testing.T, serve func(n int, conn net.Conn, r *bufio.Reader)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var open sync.WaitGroup
	ended := make(chan struct{})
	open.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer conn.Close()
				serve(n, conn, bufio.NewReader(conn))
			})
			open.Go(func() { // a transport completes a handshake after its caller has left
				<-ended
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		close(ended)
		open.Wait()
	})
	return "http://" + listener.Addr().String()
}

// readRequest reads one request from a raw connection; ok is false at its end.
func readRequest(r *bufio.Reader) (raw []byte, ok bool) {
	request, err := http.ReadRequest(r)
	if err != nil {
		return nil, false
	}
	raw, err = io.ReadAll(request.Body)
	return raw, err == nil
}

// 79: what is known of a request whose answer did not come.
func TestSenderClassifiesBrokenConnections(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	refusing := "http://" + closed.Addr().String()
	require.NoError(t, closed.Close())

	reset := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	silentEnd := rawServer(t, func(_ int, _ net.Conn, r *bufio.Reader) { readRequest(r) })
	half := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<a>")
	})
	notHTTP := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		_, _ = io.WriteString(conn, "220 smtp.example.com\r\n")
	})
	notTLS := strings.Replace(rawServer(t, func(_ int, conn net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
	}), "http:", "https:", 1)
	tests := []struct {
		name, url string
		failure   soap.Failure
		kind      xroadhdr.FailureKind
		status    int
	}{
		{"refused", refusing, soap.FailedConnection, xroadhdr.Network, 0},
		{"not TLS", notTLS, soap.FailedConnection, xroadhdr.Network, 0},
		{"reset", reset, soap.FailedBroken, xroadhdr.Network, 0},
		{"closed without an answer", silentEnd, soap.FailedBroken, xroadhdr.Network, 0},
		{"half an answer", half, soap.FailedBroken, xroadhdr.Network, 200},
		{"not HTTP", notHTTP, soap.FailedBroken, xroadhdr.Network, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, failed := call(t, t.Context(), test.url)
			require.NotNil(t, failed)
			require.Equal(t, test.failure, failed.Failure, failed.Error())
			require.Equal(t, test.kind, failed.Kind())
			require.Equal(t, test.status, failed.HTTPStatus)
		})
	}
}

func TestSenderClassifiesTimeouts(t *testing.T) {
	silent := func(before string) string {
		return rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
			readRequest(r)
			_, _ = io.WriteString(conn, before)
			_, _ = io.Copy(io.Discard, r) // until the client leaves
		})
	}
	tests := []struct {
		name, url string
		failure   soap.Failure
		kind      xroadhdr.FailureKind
	}{
		{"no answer", silent(""), soap.FailedTimeout, xroadhdr.Timeout},
		{"half an answer", silent("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<a>"), soap.FailedTimeout, xroadhdr.Timeout},
		{"no handshake", strings.Replace(silent(""), "http:", "https:", 1), soap.FailedConnection, xroadhdr.Network},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, failed := call(t, ctx, test.url)
			require.NotNil(t, failed)
			require.Equal(t, test.failure, failed.Failure, failed.Error())
			require.Equal(t, test.kind, failed.Kind())
		})
	}
	t.Run("over before it began", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		_, failed := call(t, ctx, silent(""))
		require.Equal(t, soap.FailedConnection, failed.Failure)
		require.ErrorIs(t, failed, context.DeadlineExceeded)
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		url := rawServer(t, func(_ int, _ net.Conn, r *bufio.Reader) {
			readRequest(r)
			cancel()
			_, _ = io.Copy(io.Discard, r)
		})
		_, failed := call(t, ctx, url)
		require.Equal(t, soap.FailedBroken, failed.Failure)
		require.ErrorIs(t, failed, context.Canceled)
	})
}

// A transport of another kind may have sent the request before it failed.
func TestSenderTrustsOnlyTracedTransports(t *testing.T) {
	broken := errors.New("broken")
	failing := roundTrip(func(*http.Request) (*http.Response, error) { return nil, broken })
	_, failed := call(t, t.Context(), "http://127.0.0.1:1", func(o *soap.SenderOptions) { o.Transport = failing })
	require.Equal(t, soap.FailedBroken, failed.Failure, "nothing is known")
	_, failed = call(t, t.Context(), "http://127.0.0.1:1", func(o *soap.SenderOptions) { o.Transport = http.DefaultTransport })
	require.Equal(t, soap.FailedConnection, failed.Failure, "it was asked for a connection and had none")
	_, failed = call(t, t.Context(), "http://127.0.0.1:1", func(o *soap.SenderOptions) {
		o.Wrap = func(http.RoundTripper) http.RoundTripper { return failing }
	})
	require.Equal(t, soap.FailedConnection, failed.Failure, "the wrapper never asked the own transport")
	require.ErrorIs(t, failed, broken)
}

// A pooled connection that the server closes as the next request comes: the request is not sent twice, and
// is never taken for one that was not sent if the server saw it.
func TestSenderNeverRepeatsOnStaleConnection(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	url := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for n := 0; ; n++ {
			raw, ok := readRequest(r)
			if !ok {
				return
			}
			req, err := soap.ParseRequest(raw, soap.Limits{})
			if err != nil {
				return
			}
			mu.Lock()
			seen[req.XRoad.ID]++
			mu.Unlock()
			if n == 1 {
				return // as if the idle time had just ended
			}
			body := answer(t, raw, req)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
	sent := 0
	sender, err := soap.NewSender(soap.SenderOptions{URL: url, NewID: func() string { sent++; return "message-" + strconv.Itoa(sent) }})
	require.NoError(t, err)
	failures := 0
	for range 6 {
		_, err := sender.Send(t.Context(), initCall())
		if err == nil {
			continue
		}
		failures++
		var failed *soap.CallError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, soap.FailedBroken, failed.Failure, failed.Error())
	}
	require.Equal(t, 3, failures, "every second request of a connection is lost")
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, seen, 6)
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
}

// A connection that the server closed while it was idle: nothing reaches the server by it.
func TestSenderClassifiesIdleClose(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	url := rawServer(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		raw, ok := readRequest(r)
		if !ok {
			return
		}
		req, err := soap.ParseRequest(raw, soap.Limits{})
		if err != nil {
			return
		}
		mu.Lock()
		seen[req.XRoad.ID]++
		mu.Unlock()
		body := answer(t, raw, req)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	sent := 0
	sender, err := soap.NewSender(soap.SenderOptions{URL: url, NewID: func() string { sent++; return "message-" + strconv.Itoa(sent) }})
	require.NoError(t, err)
	for range 50 {
		_, err := sender.Send(t.Context(), initCall())
		mu.Lock()
		times := seen["message-"+strconv.Itoa(sent)]
		mu.Unlock()
		if err == nil {
			require.Equal(t, 1, times)
			continue
		}
		var failed *soap.CallError
		require.ErrorAs(t, err, &failed)
		require.Contains(t, []soap.Failure{soap.FailedConnection, soap.FailedBroken}, failed.Failure)
		require.Zero(t, times, "not repeated on another connection")
	}
}
