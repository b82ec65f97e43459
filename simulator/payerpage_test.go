package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// press sends one request to the payer's page.
func press(t *testing.T, b *bench, method, path, origin string) (status int, location, body string) {
	t.Helper()
	req := httptest.NewRequest(method, path, nil)
	if origin != "" {
		req.Header.Set("Sec-Fetch-Site", origin)
	}
	answer, err := simulator.InProcess(b.emta.PayerHandler()).RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	var text strings.Builder
	require.NoError(t, answer.Write(&text))
	return answer.StatusCode, answer.Header.Get("Location"), text.String()
}

func TestPayerPays(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	id := b.create(t, "1")
	status, _, page := press(t, b, "GET", "/pay/"+id, "")
	require.Equal(t, 200, status)
	require.Contains(t, page, `<html lang="et">`)
	require.Contains(t, page, "1.00 EUR")
	require.Contains(t, page, "DESC ET")
	require.Contains(t, page, "Maksan kaardiga")
	require.NotContains(t, page, "Kinnitan makse")

	status, location, _ := press(t, b, "POST", "/pay/"+id+"/choose", "same-origin")
	require.Equal(t, 303, status)
	require.Equal(t, "/pay/"+id, location)
	_, _, page = press(t, b, "GET", location, "")
	require.Contains(t, page, "Kinnitan makse")

	status, location, _ = press(t, b, "POST", "/pay/"+id+"/pay", "same-origin")
	require.Equal(t, 303, status)
	require.Equal(t, "https://xxx/payment?id="+id, location)
	o, _ := b.emta.Order(id)
	require.Equal(t, simulator.OrderCompleted, o.State)

	status, _, _ = press(t, b, "POST", "/pay/"+id+"/pay", "")
	require.Equal(t, 409, status)
	_, _, page = press(t, b, "GET", "/pay/"+id, "")
	require.NotContains(t, page, "<form")
}

func TestPayerDoesNotPay(t *testing.T) {
	for _, tt := range []struct {
		button string
		status int
		state  simulator.OrderState
		reason string
	}{
		{"decline", 303, simulator.OrderCancelled, "declined_05"},
		{"back", 303, simulator.OrderCancelled, "refuse"},
		{"leave", 200, simulator.OrderCreated, ""},
	} {
		t.Run(tt.button, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{})
			id := b.create(t, "1")
			status, _, page := press(t, b, "POST", "/pay/"+id+"/"+tt.button, "")
			require.Equal(t, tt.status, status)
			if tt.button == "leave" {
				require.Contains(t, page, "Lahkusite lehelt")
			}
			o, _ := b.emta.Order(id)
			require.Equal(t, tt.state, o.State)
			require.Equal(t, tt.reason, o.CancelReason)
		})
	}
}

func TestPayersPageEscapes(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	message := strings.NewReplacer("DESC EN", `&lt;script&gt;alert(1)&lt;/script&gt;`, ">et<", ">en<").Replace(initRequest(t, `"&gt;&lt;b&gt;`))
	id := at(b.call(t, message), "Order/Id")
	_, _, page := press(t, b, "GET", "/pay/"+id, "")
	require.Contains(t, page, `<html lang="en">`)
	require.Contains(t, page, "&lt;script&gt;")
	require.NotContains(t, page, "<script>")
	require.NotContains(t, page, "<b>")
}

func TestPayersPageRefuses(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	id := b.create(t, "1")
	for _, tt := range []struct {
		method, path, origin string
		status               int
	}{
		{"GET", "/pay/unknown", "", http.StatusNotFound},
		{"POST", "/pay/unknown/pay", "", http.StatusNotFound},
		{"GET", "/pay/" + id + "/pay", "", http.StatusMethodNotAllowed},
		{"POST", "/pay/" + id + "/pay", "cross-site", http.StatusForbidden},
	} {
		status, _, _ := press(t, b, tt.method, tt.path, tt.origin)
		require.Equal(t, tt.status, status, "%s %s", tt.method, tt.path)
	}
	o, _ := b.emta.Order(id)
	require.Equal(t, simulator.OrderCreated, o.State)
}
