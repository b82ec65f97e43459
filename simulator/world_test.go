package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

func TestWorldCarriesAPayment(t *testing.T) {
	w := worldOverSockets(t, simulator.Options{})
	_, doc, err := ask(t, w.SecurityServerURL(), asAdapter(initRequest(t, "1")))
	require.NoError(t, err)
	id := at(doc, "Order/Id")
	require.NotEmpty(t, id, at(doc, "Fault/faultstring"))
	o, ok := w.EMTA.Order(id)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(o.PayURL, w.PayerURL()+"/pay/"))

	shopkeeper := newShopkeeper(id)
	adapter := httptest.NewServer(shopkeeper)
	defer adapter.Close()
	w.Attach(simulator.AdapterAddresses{EMTA: adapter.URL + "/emta", Core: "http://core.example", Token: "t"})

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(o.PayURL+"/pay", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, "https://xxx/payment?id="+id, answer.Header.Get("Location"))
	require.Equal(t, id, shopkeeper.await(t))

	_, doc, err = ask(t, w.SecurityServerURL(), asAdapter(bodyRequest(t, "cpgOrderGet", "<Id>"+id+"</Id>")))
	require.NoError(t, err)
	require.Equal(t, "completed", at(doc, "Order/State"))
}

func TestWorldStaysOnLoopback(t *testing.T) {
	for _, o := range []simulator.Options{
		{SecurityServerAddress: "0.0.0.0:0"}, {EMTAAddress: ":0"}, {PayerAddress: "192.0.2.1:0"}, {CoreAddress: "x"},
		{ControlAddress: "[::]:0"}, {WebhookSecret: "short"},
	} {
		_, err := simulator.Start(t.Context(), o)
		require.Error(t, err)
	}
}

func TestControl(t *testing.T) {
	w := worldOverSockets(t, simulator.Options{PaymentModule: simulator.EMTAOptions{Notifications: simulator.NotifyOptions{Mode: simulator.NotifyManual}}})
	_, doc, err := ask(t, w.SecurityServerURL(), asAdapter(initRequest(t, "&lt;b&gt;1")))
	require.NoError(t, err)
	id := at(doc, "Order/Id")

	control := strings.TrimSuffix(w.ControlURL(), "/")
	read := func(path string) string {
		answer, err := http.Get(control + path)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(body)
	}
	post := func(path, contentType, body string) int {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Post(control+path, contentType, strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	page := read("/")
	require.Contains(t, page, "&lt;b&gt;1")
	require.Contains(t, page, "/orders/"+id+"/pay")

	for _, tt := range []struct {
		path, contentType, body string
		status                  int
	}{
		{"/orders/" + id + "/choose", "", "", 303},
		{"/orders/" + id + "/fly", "", "", 404},
		{"/orders/unknown/pay", "", "", 404},
		{"/orders/unknown/notify", "", "", 404},
		{"/orders/" + id + "/annul", "", "", 409},
		{"/orders/" + id + "/notify", "", "", 303},
		{"/mischief", "application/json", `{"operation": "cpgOrderGet", "DelayAfter": "1ms", "WrongAmount": "7.50"}`, 204},
		{"/mischief", "application/x-www-form-urlencoded", url.Values{"operation": {"cpgOrderInit"}, "mischief": {`{"Refuse": 401}`}}.Encode(), 303},
		{"/mischief", "application/json", `{"operation": "cpgOrderGet", "Colour": 1}`, 400},
		{"/mischief", "application/json", `{"operation": "cpgOrderGet", "DelayAfter": "soon"}`, 400},
		{"/mischief", "application/json", `{"operation": "other"}`, 400},
		{"/mischief", "application/json", `{"operation": "cpgOrderGet", "NoHash": true, "NoLink": true}`, 400},
	} {
		require.Equal(t, tt.status, post(tt.path, tt.contentType, tt.body), "%s %s", tt.path, tt.body)
	}
	require.Len(t, w.EMTA.Pending(), 2)

	_, doc, err = ask(t, w.SecurityServerURL(), asAdapter(bodyRequest(t, "cpgOrderGet", "<Id>"+id+"</Id>")))
	require.NoError(t, err)
	require.Contains(t, []string{"7.50", "7.5"}, at(doc, "Order/Amount"))
	_, doc, err = ask(t, w.SecurityServerURL(), asAdapter(initRequest(t, "2")))
	require.NoError(t, err)
	require.Equal(t, "Unauthorized", at(doc, "Fault/faultcode"))

	var orders []struct{ ID, State, Amount string }
	require.NoError(t, json.Unmarshal([]byte(read("/orders")), &orders))
	require.Equal(t, []struct{ ID, State, Amount string }{{id, "pending", "1.00"}}, orders)
	var calls []struct{ Operation string }
	require.NoError(t, json.Unmarshal([]byte(read("/calls")), &calls))
	require.Len(t, calls, 3)
}

// In a network of its own, as Compose makes one, the simulators are reached by a name.
func TestWorldByName(t *testing.T) {
	w, err := simulator.Start(t.Context(), simulator.Options{SecurityServerAddress: "0.0.0.0:0", Hostname: "localhost"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	require.True(t, strings.HasPrefix(w.SecurityServerURL(), "http://localhost:"), w.SecurityServerURL())
	_, doc, err := ask(t, w.SecurityServerURL(), asAdapter(initRequest(t, "1")))
	require.NoError(t, err)
	require.NotEmpty(t, at(doc, "Order/Id"), at(doc, "Fault/faultstring"))
}
