package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, world.Close()) }()
	s := demoSettings(world, t.TempDir())
	s.EMTA.UserID = "EE" + plantedCode
	require.NoError(t, s.check())
	out := &lockedBuffer{}
	p, err := Start(t.Context(), s, newLogger(out, slog.LevelDebug), Watch{})
	require.NoError(t, err)
	token, err := tokenIn(s.Core.TokenFile)
	require.NoError(t, err)
	world.Attach(simulator.AdapterAddresses{EMTA: "http://" + p.Address("xroad") + emtaPath, Core: "http://" + p.Address("core"), Token: token})
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	require.NoError(t, d.paid(t.Context()))
	require.NoError(t, d.refused(t.Context()))

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
	for _, value := range []string{plantedCode, plantedEmail, "salajane", plantedName, "Plantedname", plantedToken, "planted-token", token} {
		at := strings.Index(log, value)
		require.Less(t, at, 0, "%s: %s", value, log[max(0, at-300):max(0, min(len(log), at+100))])
	}
}
