package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// Values of invented persons that go through the program in every field that somebody outside writes.
const (
	plantedCode  = "38302250123"
	plantedEmail = "salajane.maksja@planted.example.ee"
	plantedName  = "Pärtel-Plantedname"
	plantedToken = "planted-token-0123456789abcdef0123456789"
)

// Nothing that went through stands in the application log, not even at its most talkative (NA-94).
func TestPlantedValuesAreNotLogged(t *testing.T) {
	world, err := simulator.Start(t.Context(), simulator.Options{PaymentModule: simulator.EMTAOptions{Expiry: demoExpiry}})
	require.NoError(t, err)
	defer func() { require.NoError(t, world.Close()) }()
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	s := demoSettings(world, t.TempDir())
	s.Log.SealKey = filepath.Join(t.TempDir(), "seal.pem")
	require.NoError(t, newSealKey(s.Log.SealKey))
	s.Log.Level = "debug"
	s.EMTA.UserID = "EE" + plantedCode
	require.NoError(t, s.check())
	out := &lockedBuffer{}
	p, err := Start(t.Context(), s, newLogger(out, slog.LevelDebug), Watch{Inbound: d.inbound, Outbound: d.outbound, Webhook: d.webhook(http.DefaultTransport)})
	require.NoError(t, err)
	d.program = p
	token, err := tokenIn(s.Core.TokenFile)
	require.NoError(t, err)
	world.Attach(simulator.AdapterAddresses{EMTA: "http://" + p.Address("xroad") + emtaPath, Core: "http://" + p.Address("core"), Token: token,
		Mandates: "http://" + p.Address("xroad") + paasukePath})
	if testing.Short() {
		require.NoError(t, d.paid(t.Context()))
		require.NoError(t, d.refused(t.Context()))
	} else {
		require.NoError(t, d.day(t.Context()))
	}
	for _, rows := range [][]paasukeRow{paasukePathRows, paasukeHTTPRows, paasukeBodyRows} {
		for _, row := range rows {
			attackWithBytes(t, p.Address("xroad"), strings.Replace(row.request, "X-Road-Id: hostile", "X-Road-Id: Mari-Plantedname-1", 1))
		}
	}

	planted := plantedCode + " " + plantedEmail + " " + plantedName
	for _, listener := range []string{"xroad", "core", "ops"} {
		for _, path := range []string{"/emta", "/paasuke/v1/representees/EE" + plantedCode + "/delegates", "/api/v1/orders", "/api/v1/orders/" + plantedCode,
			"/api/v1/mandates", "/api/v1/settings", "/api/v1/" + url.PathEscape(planted), "/" + url.PathEscape(plantedEmail)} {
			for _, method := range []string{"GET", "POST", "PATCH", "PUT"} {
				for _, body := range []string{"", `{"payer": {"code": "EE` + plantedCode + `", "email": "` + plantedEmail + `", "surname": "` + plantedName + `"}, "log": "` + planted + `"}`,
					`<x a="` + plantedCode + `">` + planted + `</x>`, planted} {
					r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Address(listener)+path+"?q="+url.QueryEscape(planted), bytes.NewReader([]byte(body)))
					require.NoError(t, err)
					for _, name := range []string{"X-Acting-User", "X-Road-UserId", "X-Road-Client", "X-Road-Id", "X-Road-Issue", "X-Forwarded-For", "User-Agent", "Cookie", "SOAPAction", "X-Odd"} {
						r.Header.Set(name, planted)
					}
					r.Header.Set("X-Acting-User", "EE"+plantedCode)
					r.Header.Set("Authorization", "Bearer "+plantedToken)
					if method == "POST" {
						r.Header.Set("Authorization", "Bearer "+token)
					}
					r.Header.Set("Content-Type", "application/json")
					if strings.HasPrefix(body, "<") {
						r.Header.Set("Content-Type", "text/xml")
					}
					response, err := http.DefaultClient.Do(r)
					require.NoError(t, err)
					response.Body.Close()
				}
			}
		}
	}
	require.NoError(t, p.Stop())
	log := out.String()
	require.Greater(t, strings.Count(log, "\n"), 100)
	require.Contains(t, log, `"log":"security"`)
	values := []string{plantedCode, plantedEmail, "salajane", plantedName, "Plantedname", plantedToken, "planted-token", token, world.WebhookSecret(),
		d.ask().PayerCode, d.ask().PayerEmail, "maksja"}
	for _, view := range simulator.Views() {
		values = append(values, strings.TrimPrefix(view.Self.Identifier, "EE"), view.Self.Surname, view.Self.LegalName, strings.TrimPrefix(view.Actor.User, "EE"))
	}
	for _, value := range values {
		if value == "" {
			continue
		}
		at := strings.Index(log, value)
		require.Less(t, at, 0, "%s: %s", value, log[max(0, at-300):max(0, min(len(log), at+100))])
	}
}
