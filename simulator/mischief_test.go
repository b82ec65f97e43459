package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// worldOverSockets is a World on free ports whose adapter is h.
func worldOverSockets(t testing.TB, o simulator.Options) *simulator.World {
	t.Helper()
	o.Seed = 1
	w, err := simulator.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// asAdapter rewrites the sample's identifiers to the world's.
func asAdapter(message string) string {
	return strings.NewReplacer(
		"<iden:xRoadInstance>EE<", "<iden:xRoadInstance>ee-dev<", "<iden:memberClass>COM<", "<iden:memberClass>GOV<",
		"payment-gateway", "mkrliides", "12345678", "70000310", ">TKT<", ">at<").Replace(message)
}

// ask posts over a socket; a broken connection is an error.
func ask(t testing.TB, url, message string) (*http.Response, *etree.Document, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(message))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	doc := etree.NewDocument()
	if _, err := doc.ReadFrom(answer.Body); err != nil {
		doc = nil
	}
	return answer, doc, nil
}

func TestMischief(t *testing.T) {
	const (
		initOp, getOp, listOp = "cpgOrderInit", "cpgOrderGet", "cpgOrderList"
		ioError               = "Server.ServerProxy.ServiceFailed.IOError"
		sf                    = "Server.ServerProxy.ServiceFailed."
	)
	two := decimal.RequireFromString("2.50")
	type result struct {
		status int
		answer *http.Response
		doc    *etree.Document
		err    error
	}
	fault := func(code string) func(*testing.T, result) {
		return func(t *testing.T, r result) {
			require.NoError(t, r.err)
			require.Equal(t, 200, r.status)
			require.Equal(t, code, at(r.doc, "Fault/faultcode"), at(r.doc, "Fault/faultstring"))
		}
	}
	cut := func(t *testing.T, r result) { require.Error(t, r.err) }
	says := func(path, text string) func(*testing.T, result) {
		return func(t *testing.T, r result) {
			require.NoError(t, r.err)
			require.Equal(t, text, at(r.doc, path))
		}
	}
	lacks := func(path string) func(*testing.T, result) {
		return func(t *testing.T, r result) {
			require.NoError(t, r.err)
			require.Empty(t, at(r.doc, "Fault/faultstring"))
			require.Nil(t, r.doc.FindElement("//"+path))
		}
	}
	late := func(t *testing.T, r result) { require.Equal(t, "2", at(r.doc, "Order/Merchant/Stamp")) }
	for _, tt := range []struct {
		name      string
		operation string
		m         simulator.Mischief
		check     func(*testing.T, result)
		orders    int // of stamp 2 after an Init
	}{
		{"delay before", initOp, simulator.Mischief{DelayBefore: time.Millisecond}, late, 1},
		{"delay after", initOp, simulator.Mischief{DelayAfter: time.Millisecond}, late, 1},
		{"delay at EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, DelayAfter: time.Millisecond}, late, 1},
		{"cut before", initOp, simulator.Mischief{CutBefore: true}, cut, 0},
		{"cut after", initOp, simulator.Mischief{CutAfter: true}, cut, 1},
		{"EMTA cuts before", initOp, simulator.Mischief{Place: simulator.AtEMTA, CutBefore: true}, fault(ioError), 0},
		{"EMTA cuts after", initOp, simulator.Mischief{Place: simulator.AtEMTA, CutAfter: true}, fault(ioError), 1},
		{"fault", initOp, simulator.Mischief{Fault: "Server.ServerProxy.AccessDenied", FaultText: "no"}, fault("Server.ServerProxy.AccessDenied"), 0},
		{"fault after acting", initOp, simulator.Mischief{Fault: ioError, Acted: true}, fault(ioError), 1},
		{"fault of 7.8", initOp, simulator.Mischief{Fault: ioError, Spelling: simulator.SnakeCase}, fault("server.serverproxy.service_failed.io_error"), 0},
		{"irregular fault of 7.8", initOp, simulator.Mischief{Fault: "Server.ClientProxy.OutdatedGlobalConf", Spelling: simulator.SnakeCase}, fault("server.clientproxy.global_conf_outdated"), 0},
		{"provider fault", initOp, simulator.Mischief{ProviderFault: "own:Bad", FaultText: "x"}, fault("own:Bad"), 0},
		{"refusal", initOp, simulator.Mischief{Refuse: 401}, fault("Unauthorized"), 0},
		{"duplicate", initOp, simulator.Mischief{Duplicate: true}, late, 2},
		{"no link", initOp, simulator.Mischief{NoLink: true}, lacks("Order/Links"), 1},
		{"no expiry", initOp, simulator.Mischief{NoExpires: true}, lacks("Order/Expires"), 1},
		{"garbage", initOp, simulator.Mischief{Garbage: true}, func(t *testing.T, r result) {
			require.Nil(t, r.doc)
			require.Contains(t, r.answer.Header.Get("Content-Type"), "text/xml")
		}, 1},
		{"garbage of EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, Garbage: true}, fault(sf + "InvalidSoap"), 1},
		{"HTML", initOp, simulator.Mischief{HTML: 502}, func(t *testing.T, r result) {
			require.Equal(t, 502, r.status)
			require.Contains(t, r.answer.Header.Get("Content-Type"), "text/html")
		}, 1},
		{"HTML of EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, HTML: 500}, fault(sf + "InvalidContentType"), 1},
		{"truncated", initOp, simulator.Mischief{Truncate: true}, func(t *testing.T, r result) {
			require.Equal(t, 200, r.status)
			require.Nil(t, r.doc)
		}, 1},
		{"truncated by EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, Truncate: true}, fault(sf + "InvalidSoap"), 1},
		{"empty 204", initOp, simulator.Mischief{EmptyBody204: true}, func(t *testing.T, r result) {
			require.Equal(t, 204, r.status)
			require.Nil(t, r.doc.Root())
		}, 1},
		{"empty 204 of EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, EmptyBody204: true}, fault(sf + "HttpError"), 1},
		{"wrong content type", initOp, simulator.Mischief{WrongContentType: true}, func(t *testing.T, r result) {
			require.Contains(t, r.answer.Header.Get("Content-Type"), "application/soap+xml")
			require.Equal(t, "2", at(r.doc, "Order/Merchant/Stamp"))
		}, 1},
		{"wrong content type of EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, WrongContentType: true}, fault(sf + "InvalidContentType"), 1},
		{"wrong id", initOp, simulator.Mischief{WrongID: true}, says("Header/id", "00000000-0000-4000-8000-000000000000"), 1},
		{"wrong id of EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, WrongID: true}, fault("Server.ClientProxy.ServiceFailed.InconsistentResponse"), 1},
		{"no userId", initOp, simulator.Mischief{MissingUserID: true}, lacks("Header/userId"), 1},
		{"no userId of EMTA", initOp, simulator.Mischief{Place: simulator.AtEMTA, MissingUserID: true}, fault("Server.ClientProxy.ServiceFailed.InconsistentResponse"), 1},
		{"wrong hash", initOp, simulator.Mischief{WrongHash: true}, func(t *testing.T, r result) {
			require.Equal(t, 88, len(at(r.doc, "requestHash")))
			require.NotEqual(t, hashOf(asAdapter(initRequest(t, "2"))), at(r.doc, "requestHash"))
		}, 1},
		{"right hash", initOp, simulator.Mischief{}, says("requestHash", hashOf(asAdapter(initRequest(t, "2")))), 1},
		{"no hash", initOp, simulator.Mischief{NoHash: true}, lacks("requestHash"), 1},
		{"another order", getOp, simulator.Mischief{AnotherOrder: true}, says("Order/Merchant/Stamp", "foreign"), 0},
		{"wrong amount", getOp, simulator.Mischief{WrongAmount: &two}, func(t *testing.T, r result) {
			require.True(t, decimal.RequireFromString(at(r.doc, "Order/Amount")).Equal(two))
		}, 0},
		{"wrong reference", getOp, simulator.Mischief{WrongReference: "13"}, says("Order/Customer/ReferenceNumber", "13"), 0},
		{"wrong stamp", getOp, simulator.Mischief{WrongStamp: "99"}, says("Order/Merchant/Stamp", "99"), 0},
		{"unknown state", getOp, simulator.Mischief{UnknownState: "parked"}, says("Order/State", "parked"), 0},
		{"hidden from the list", listOp, simulator.Mischief{HideFromList: "1"}, says("Meta/Total", "0"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := worldOverSockets(t, simulator.Options{PaymentModule: simulator.EMTAOptions{Notifications: simulator.NotifyOptions{Mode: simulator.NotifyNever}}})
			_, doc, err := ask(t, w.SecurityServerURL(), asAdapter(initRequest(t, "1")))
			require.NoError(t, err)
			id := at(doc, "Order/Id")
			require.NotEmpty(t, id)
			request := map[string]string{initOp: initRequest(t, "2"), listOp: bodyRequest(t, listOp, ""),
				getOp: bodyRequest(t, getOp, "<Id>"+id+"</Id>")}[tt.operation]
			require.NoError(t, w.Misbehave(tt.operation, tt.m))
			var r result
			r.answer, r.doc, r.err = ask(t, w.SecurityServerURL(), asAdapter(request))
			if r.answer != nil {
				r.status = r.answer.StatusCode
			}
			tt.check(t, r)
			require.Len(t, w.EMTA.ByStamp("2"), tt.orders)

			// The next call is right again: nothing is left in either queue.
			_, doc, err = ask(t, w.SecurityServerURL(), asAdapter(bodyRequest(t, getOp, "<Id>"+id+"</Id>")))
			require.NoError(t, err)
			require.Equal(t, "1", at(doc, "Order/Merchant/Stamp"))
			_, doc, err = ask(t, w.SecurityServerURL(), asAdapter(initRequest(t, "3")))
			require.NoError(t, err)
			require.Equal(t, "3", at(doc, "Order/Merchant/Stamp"))
			require.NotNil(t, doc.FindElement("//Order/Links"))
		})
	}
}

func TestMischiefKeepsItsPlaceInTheQueue(t *testing.T) {
	w := worldOverSockets(t, simulator.Options{})
	require.NoError(t, w.Misbehave("cpgOrderInit",
		simulator.Mischief{Fault: "Server.ServerProxy.AccessDenied"},
		simulator.Mischief{CutAfter: true},
		simulator.Mischief{Refuse: 403},
		simulator.Mischief{WrongStamp: "9"}))
	request := asAdapter(initRequest(t, "1"))
	_, doc, err := ask(t, w.SecurityServerURL(), request)
	require.NoError(t, err)
	require.Equal(t, "Server.ServerProxy.AccessDenied", at(doc, "Fault/faultcode"))
	_, _, err = ask(t, w.SecurityServerURL(), request)
	require.Error(t, err)
	_, doc, err = ask(t, w.SecurityServerURL(), request)
	require.NoError(t, err)
	require.Equal(t, "Forbidden", at(doc, "Fault/faultcode"))
	_, doc, err = ask(t, w.SecurityServerURL(), request)
	require.NoError(t, err)
	require.Equal(t, "9", at(doc, "Order/Merchant/Stamp"))
	require.Len(t, w.EMTA.ByStamp("1"), 2)

	require.NoError(t, w.Misbehave("cpgOrderInit", simulator.Mischief{CutBefore: true}))
	w.Behave()
	_, _, err = ask(t, w.SecurityServerURL(), request)
	require.NoError(t, err)
}

func TestMischiefThatCannotBeDone(t *testing.T) {
	w := worldOverSockets(t, simulator.Options{})
	require.Error(t, w.Misbehave("cpgOrderGet", simulator.Mischief{NoHash: true, NoLink: true}))
	require.Error(t, w.Misbehave("cpgOrderGet", simulator.Mischief{Place: simulator.AtEMTA, NoHash: true}))
	require.Error(t, w.Misbehave("cpgOrderGet", simulator.Mischief{Place: simulator.AtSecurityServer, Duplicate: true}))
	require.Error(t, w.Misbehave("cpgOrderGet", simulator.Mischief{Place: "moon", CutAfter: true}))
	require.Error(t, w.Misbehave("cpgOrderGet", simulator.Mischief{Refuse: 418}))
	require.Error(t, w.Misbehave("cpgOrderNotify", simulator.Mischief{Refuse: 404}))
	require.Error(t, w.SecurityServer.Misbehave("cpgOrderGet", simulator.Mischief{NoLink: true}))
	require.Error(t, w.EMTA.Misbehave("cpgOrderGet", simulator.Mischief{NoHash: true}))
	require.NoError(t, w.EMTA.Misbehave("cpgOrderGet", simulator.Mischief{CutAfter: true}))
}
