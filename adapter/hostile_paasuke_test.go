package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The company and the link of the hostile requests: a mandate that is there, and could be ended.
const (
	victimCompany = "EE10391131"
	victimLink    = "/v1/representees/1/delegates/1/mandates/1"
	victimAdd     = "/v1/representees/EE10391131/delegates/EE49028099999/mandates"
)

// rawly is a request as bytes: the target below /paasuke, the header fields that differ from a good request's ("-Name" leaves one out,
// "Name: value" replaces or adds, "+Name: value" comes beside), and a body.
func rawly(method, target, body string, fields ...string) string {
	header := []string{"Host: x", "X-Road-Client: " + paasukeClient, "X-Road-Id: hostile", "X-Road-UserId: " + board, "X-Road-Represented-Party: " + victimCompany, "Connection: close"}
	if body != "" {
		header = append(header, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))
	}
	for _, f := range fields {
		if beside, ok := strings.CutPrefix(f, "+"); ok {
			header = append(header, beside)
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(f, "-"), ":")
		kept := header[:0]
		for _, h := range header {
			if had, _, _ := strings.Cut(h, ":"); !strings.EqualFold(had, name) {
				kept = append(kept, h)
			}
		}
		if header = kept; !strings.HasPrefix(f, "-") {
			header = append(header, f)
		}
	}
	if !strings.HasPrefix(target, "!") {
		target = paasukePath + target
	}
	return method + " " + strings.TrimPrefix(target, "!") + " HTTP/1.1\r\n" + strings.Join(header, "\r\n") + "\r\n\r\n" + body
}

// good is addMandate's body, parts of it replaced.
func goodAdd(pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(addBody(victimCompany, anu, "AT:AVALDAJA", `"from":"2098-01-01"`))
}

func get(target string, fields ...string) string { return rawly("GET", target, "", fields...) }

func post(body string, fields ...string) string { return rawly("POST", victimAdd, body, fields...) }

// paasukeRow is one hostile request and what is answered: the status, and each problem's type and field; "plain 400" is Go's own refusal
// of what is no HTTP, "soap" a fault of the other service.
type paasukeRow struct{ name, request, want string }

var paasukePathRows = []paasukeRow{
	{"dot segment as identifier", get("/v1/representees/../delegates/mandates"), "400, format representee"},
	{"encoded dot segments", get("/v1/representees/%2e%2e%2f%2e%2e/delegates/mandates"), "400, format representee"},
	{"dot segment between", get("/v1/x/../roles"), "404, not-found There"},
	{"encoded slash in an identifier", get("/v1/representees/EE1%2F2/delegates/mandates"), "400, format representee"},
	{"encoded slashes that spell the operation", get("/v1/representees/EE1%2Fdelegates%2Fmandates"), "404, not-found There"},
	{"encoded slash before the version", get("%2Fv1/roles"), "404, not-found There"},
	{"encoded twice", get("/v1/representees/EE1%252F2/delegates/mandates"), "200"},
	{"encoded backslash", get("/v1/representees/EE%5C..%5C1/delegates/mandates"), "400, format representee"},
	{"two slashes", get("/v1//roles"), "404, not-found There"},
	{"two slashes at the front", get("!//paasuke/v1/roles"), "soap"},
	{"slash at the end", get("/v1/roles/"), "404, not-found There"},
	{"path in capitals", get("/V1/ROLES"), "404, not-found There"},
	{"service in capitals", get("!/PAASUKE/v1/roles"), "soap"},
	{"no identifier", get("/v1/representees//delegates/mandates"), "400, format representee"},
	{"NUL in an identifier", get("/v1/representees/EE%00/delegates/mandates"), "400, format representee"},
	{"line break in an identifier", get("/v1/representees/EE1%0D%0AX-Road-Client:%20a/delegates/mandates"), "400, format representee"},
	{"identifier not UTF-8", get("/v1/representees/EE%FF/delegates/mandates"), "400, format representee"},
	{"Cyrillic country", get("/v1/representees/%D0%95%D0%9510391131/delegates/mandates"), "400, format representee"},
	{"full-width digits", get("/v1/representees/EE%EF%BC%911234567/delegates/mandates"), "400, format representee"},
	{"zero-width blank", get("/v1/representees/EE1039%E2%80%8B1131/delegates/mandates"), "400, format representee"},
	{"country in small letters", get("/v1/representees/ee10391131/delegates/mandates"), "400, format representee"},
	{"overlong identifier", get("/v1/representees/EE" + strings.Repeat("1", 300) + "/delegates/mandates"), "400, format representee"},
	{"SQL in an identifier", get("/v1/representees/EE'%20OR%20'1'='1/delegates/mandates"), "400, format representee"},
	{"SQL without what is forbidden", get("/v1/delegates/EE1;DROP/representees/mandates"), "200"},
	{"raw bytes in the path", get("/v1/representees/EE\xff/delegates/mandates"), "400, format representee"},
	{"half a triplet", get("/v1/representees/EE%4/delegates/mandates"), "plain 400"},
	{"path without end", get("/" + strings.Repeat("v1/", 10_000)), "404, not-found There"},
	{"key below zero", rawly("PUT", "/v1/representees/1/delegates/1/mandates/-1", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"key with a sign", rawly("PUT", "/v1/representees/1/delegates/1/mandates/+1", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"key with a zero before it", rawly("PUT", "/v1/representees/01/delegates/1/mandates/1", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"key too large", rawly("PUT", "/v1/representees/1/delegates/1/mandates/9223372036854775808", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"SQL as a key", rawly("PUT", "/v1/representees/1/delegates/1/mandates/1%20OR%201=1", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"key of Arabic digits", rawly("PUT", "/v1/representees/1/delegates/1/mandates/%D9%A1", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"link of another namespace", rawly("PUT", "/v1/nss/EMTA/representees/1/delegates/1/mandates/1", `{"action":"DELETE_WITHDRAW"}`), "404, not-found the"},
	{"semicolon in the query", get(givenBy(victimCompany) + "?ns=AT;ns=B"), "400, malformed The"},
	{"half a triplet in the query", get(givenBy(victimCompany) + "?ns=%4"), "400, malformed The"},
	{"query not UTF-8", get(givenBy(victimCompany) + "?delegate=%FF"), "400, format delegate"},
	{"filter twice", get(givenBy(victimCompany) + "?delegate=EE1&delegate=EE2"), "400, duplicate delegate"},
	{"empty filter", get(givenBy(victimCompany) + "?subDelegatedBy="), "400, format subDelegatedBy"},
	{"SQL in a filter", get(givenBy(victimCompany) + "?subDelegatedBy='%20OR%20'1'='1"), "400, format subDelegatedBy"},
	{"thousands of namespaces", get(givenBy(victimCompany) + "?ns=" + strings.Repeat("x,", 5000)), "200"},
}

var paasukeHTTPRows = []paasukeRow{
	{"DELETE", rawly("DELETE", victimLink, ""), "405, method-not-allowed The"},
	{"PATCH", rawly("PATCH", victimLink, `{"action":"DELETE_WITHDRAW"}`), "405, method-not-allowed The"},
	{"POST instead of PUT", rawly("POST", victimLink, `{"action":"DELETE_WITHDRAW"}`, "X-HTTP-Method-Override: PUT"), "405, method-not-allowed The"},
	{"method in small letters", rawly("put", victimLink, `{"action":"DELETE_WITHDRAW"}`), "405, method-not-allowed The"},
	{"TRACE", rawly("TRACE", "/v1/roles", ""), "405, method-not-allowed The"},
	{"OPTIONS", rawly("OPTIONS", victimLink, ""), "204"},
	{"HEAD", rawly("HEAD", "/v1/roles", ""), "200"},
	{"GET with a body", rawly("GET", "/v1/roles", `{"a":`), "200"},
	{"no client", get("/v1/roles", "-X-Road-Client"), "400, required X-Road-Client"},
	{"another client", get("/v1/roles", "X-Road-Client: ee-dev/GOV/70006317/other"), "403, forbidden This"},
	{"two clients", get("/v1/roles", "+X-Road-Client: ee-dev/GOV/70006317/other"), "400, duplicate X-Road-Client"},
	{"two clients in one", get("/v1/roles", "X-Road-Client: "+paasukeClient+", "+paasukeClient), "400, format X-Road-Client"},
	{"the same user twice", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW"}`, "+x-road-userid: "+board), "400, duplicate X-Road-UserId"},
	{"two represented parties", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW"}`, "+X-Road-Represented-Party: EE12345678"), "400, duplicate X-Road-Represented-Party"},
	{"two ids", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW"}`, "+X-Road-Id: other"), "400, duplicate X-Road-Id"},
	{"fields with underscores", get("/v1/roles", "X-Road-Client: ee-dev/GOV/70006317/other", "+X_Road_Client: "+paasukeClient), "403, forbidden This"},
	{"client with an encoded slash", get("/v1/roles", "X-Road-Client: ee-dev/GOV/70006317%2Fpaasuke"), "400, format X-Road-Client/memberCode"},
	{"look-alike client", get("/v1/roles", "X-Road-Client: ee-dev/GOV/70006317/p%D0%B0asuke"), "403, forbidden This"},
	{"party of three parts", get("/v1/roles", "X-Road-Represented-Party: A/B/C"), "400, format X-Road-Represented-Party"},
	{"party with a blank", get("/v1/roles", "X-Road-Represented-Party: EE 1"), "400, format X-Road-Represented-Party/partyCode"},
	{"party that decodes to the company", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW"}`, "X-Road-Represented-Party: %45E10391131", "X-Road-UserId: "+tiit), "403, no-authorization authorizations"},
	{"user without end", get("/v1/roles", "X-Road-UserId: EE"+strings.Repeat("6", 2000)), "400, format X-Road-UserId"},
	{"id without end", get("/v1/roles", "X-Road-Id: "+strings.Repeat("6", 2000)), "400, format X-Road-Id"},
	{"id not UTF-8", get("/v1/roles", "X-Road-Id: \xff"), "400, format X-Road-Id"},
	{"user in another case", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW"}`, "X-Road-UserId: ee60001019906"), "403, foreign-user X-Road-UserId"},
	{"user who is a company", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW"}`, "X-Road-UserId: "+victimCompany), "403, foreign-user X-Road-UserId"},
	{"line feed in a field", get("/v1/roles", "X-Road-UserId: EE1\nX-Road-Client: ee-dev/GOV/70006317/other"), "400, duplicate X-Road-Client"},
	{"carriage return in a field", get("/v1/roles", "X-Road-UserId: EE1\rX-Road-Client: a"), "plain 400"},
	{"NUL in a field", get("/v1/roles", "X-Road-UserId: EE\x00"), "plain 400"},
	{"blank before the colon", get("/v1/roles", "+X-Road-UserId : EE1"), "plain 400"},
	{"folded field", get("/v1/roles", "X-Road-UserId: EE1,\r\n X-Road-Client: a"), "200"},
	{"header without end", get("/v1/roles", "X-Large: "+strings.Repeat("x", 100<<10)), "plain 431"},
	{"an error of X-Road's in the request", get("/v1/roles", "X-Road-Error: Server.ServerProxy.AccessDenied"), "200"},
	{"service that is the client's word", get("/v1/roles", "X-Road-Service: ee-dev/GOV/1/other/x"), "200"},
	{"two lengths", post(goodAdd(), "+Content-Length: 3"), "plain 400"},
	{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "plain 400"},
}

var paasukeBodyRows = []paasukeRow{
	{"no body", rawly("POST", victimAdd, "", "Content-Type: application/json"), "400, malformed A"},
	{"no content type", post(goodAdd(), "-Content-Type"), "415, unsupported-media-type Content-Type"},
	{"text", post(goodAdd(), "Content-Type: text/plain"), "415, unsupported-media-type Content-Type"},
	{"form", post("role=AT%3AESINDAJA", "Content-Type: application/x-www-form-urlencoded"), "415, unsupported-media-type Content-Type"},
	{"XML", post("<a/>", "Content-Type: text/xml"), "415, unsupported-media-type Content-Type"},
	{"problem+json", post(goodAdd(), "Content-Type: application/problem+json"), "415, unsupported-media-type Content-Type"},
	{"another charset", post(goodAdd(), "Content-Type: application/json; charset=utf-16"), "415, unsupported-media-type Content-Type"},
	{"compressed", post(goodAdd(), "Content-Encoding: gzip"), "415, unsupported-media-type Content-Type"},
	{"one byte above the limit", post(`{"a":"` + strings.Repeat("x", 1<<20-7) + `"}`), "413, too-large"},
	{"chunks without end", rawly("POST", victimAdd, "", "Content-Type: application/json", "Transfer-Encoding: chunked") + strings.Repeat("40000\r\n"+strings.Repeat(" ", 0x40000)+"\r\n", 5) + "0\r\n\r\n", "413, too-large"},
	{"deep objects", post(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)), "400, malformed The"},
	{"half a million brackets", post(strings.Repeat("[", 500_000)), "400, malformed The"},
	{"no JSON", post(`{"representee":`), "400, malformed The"},
	{"two values", post(goodAdd() + goodAdd()), "400, malformed The"},
	{"an array", post("[" + goodAdd() + "]"), "400, type must"},
	{"null", post("null"), "400, type must"},
	{"a text", post(`"AT:ESINDAJA"`), "400, type must"},
	{"byte order mark", post("\ufeff" + goodAdd()), "400, malformed The"},
	{"not UTF-8", post(goodAdd("Jüri", "\xff")), "400, malformed The"},
	{"half of a surrogate pair", post(goodAdd("Jüri", `\ud800`)), "400, malformed The"},
	{"NUL escape", post(goodAdd("Jüri", `\u0000`)), "400, malformed The"},
	{"raw control character", post(goodAdd("Jüri", "\x01")), "400, malformed The"},
	{"not a number", post(goodAdd(`"AT:AVALDAJA"`, "NaN")), "400, malformed The"},
	{"comment", post("/* */" + goodAdd()), "400, malformed The"},
	{"trailing comma", post(goodAdd(`"canSubDelegate":false,`, `"canSubDelegate":false,,`)), "400, malformed The"},
	{"role twice", post(goodAdd(`"role":`, `"role":"AT:ESINDAJA","role":`)), "400, duplicate mandate.role"},
	{"identifier twice", post(goodAdd(`"identifier":"EE49028099999"`, `"identifier":"EE38302250123","identifier":"EE49028099999"`)), "400, duplicate delegate.identifier"},
	{"role in another case", post(goodAdd(`"role":`, `"ROLE":"AT:ESINDAJA","role":`)), "400, unknown mandate.ROLE"},
	{"role with a long s", post(goodAdd(`"surname":`, `"ſurname":"Varas","surname":`)), "400, unknown delegate.ſurname"},
	{"escaped key twice", post(goodAdd(`"role":`, `"r\u006fle":"AT:ESINDAJA","role":`)), "400, duplicate mandate.role"},
	{"number for a text", post(goodAdd(`"AT:AVALDAJA"`, "7")), "400, type mandate.role"},
	{"text for a truth", post(goodAdd(`"canSubDelegate":false`, `"canSubDelegate":"false"`)), "400, type mandate.canSubDelegate"},
	{"array for an object", post(goodAdd(`{"from":"2098-01-01"}`, `[]`)), "400, type mandate.validityPeriod"},
	{"object for an array", post(goodAdd(`[{"userIdentifier"`, `{"userIdentifier"`, `SOLEREP"}]`, `SOLEREP"}`)), "400, type authorizations"},
	{"number for a date", post(goodAdd(`"2098-01-01"`, "20980101")), "400, type mandate.validityPeriod.from"},
	{"30 February", post(goodAdd("2098-01-01", "2026-02-30")), "400, date mandate.validityPeriod.from"},
	{"month 13", post(goodAdd("2098-01-01", "2098-13-01")), "400, date mandate.validityPeriod.from"},
	{"31 April", post(goodAdd("2098-01-01", "2098-04-31")), "400, date mandate.validityPeriod.from"},
	{"five-digit year", post(goodAdd("2098-01-01", "12098-01-01")), "400, date mandate.validityPeriod.from"},
	{"negative year", post(goodAdd("2098-01-01", "-2098-01-01")), "400, date mandate.validityPeriod.from"},
	{"date and time", post(goodAdd("2098-01-01", "2098-01-01T00:00:00+14:00")), "400, date mandate.validityPeriod.from"},
	{"Estonian date", post(goodAdd("2098-01-01", "01.01.2098")), "400, date mandate.validityPeriod.from"},
	{"SQL in a date", post(goodAdd("2098-01-01", "2098-01-01'--")), "400, date mandate.validityPeriod.from"},
	{"SQL in a role", post(goodAdd("AT:AVALDAJA", "AT:AVALDAJA'; DROP TABLE andmeandjad_kasutajad; --")), "422, unknown-role mandate.role"},
	{"SQL in a type", post(goodAdd("NATURAL_PERSON", "NATURAL_PERSON' --")), "400, one-of delegate.type"},
	{"SQL in an action", rawly("PUT", victimLink, `{"action":"DELETE_WITHDRAW' OR '1'='1"}`), "501, not-supported action"},
	{"SQL in a document", post(goodAdd(`"authorizations"`, `"document":{"uuid":"' OR 1=1 --"},"authorizations"`)), "400, format document.uuid"},
	{"role without end", post(goodAdd("AVALDAJA", strings.Repeat("A", 10_000))), "422, unknown-role mandate.role"},
	{"name without end", post(goodAdd("Jüri", strings.Repeat("J", 10_000))), "422, too-long delegate"},
	{"name of nothing", post(goodAdd(`"firstName":"Jüri","surname":"Juurikas"`, `"firstName":" ","surname":""`)), "422, required delegate"},
	{"line break in a name", post(goodAdd("Jüri", `J\u000a`)), "422, format delegate"},
	{"thousands of authorizations", post(goodAdd(`"authorizations":[`, `"authorizations":[`+strings.Repeat(`{"userIdentifier":"EE60001019906","hasRole":"A:B"},`, 5000))), "422, too-many authorizations"},
	{"authorization of somebody without form", post(goodAdd(`"userIdentifier":"EE60001019906"`, `"userIdentifier":"../../etc/passwd"`)), "400, format authorizations[0].userIdentifier"},
	{"identifier that is not the path's", post(goodAdd(`"EE49028099999"`, `"EE49028099998"`)), "400, same-as-path delegate.identifier"},
	{"identifier with full-width digits", post(goodAdd(`"EE49028099999"`, `"EE４9028099999"`)), "400, format delegate.identifier"},
	{"keys of other worlds", post(goodAdd(`"role":"AT:AVALDAJA"`, `"role":"AT:X","__proto__":{"role":"AT:AVALDAJA"},"constructor":1`)), "422, unknown-role mandate.role"},
}

// attackWithBytes sends a row over a connection of its own and tells what came back.
func attackWithBytes(t testing.TB, address, request string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	var sent sync.WaitGroup
	sent.Go(func() { _, _ = io.WriteString(conn, request) }) // the server may close before it has all
	defer sent.Wait()
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for name := range response.Header {
		require.False(t, strings.HasPrefix(name, "X-Road-"), name)
	}
	switch kind := response.Header.Get("Content-Type"); {
	case strings.HasPrefix(kind, "text/xml"):
		return "soap"
	case strings.HasPrefix(kind, "text/plain"):
		// Each answer of a handler has a date, and each of ours a request id: nothing of the program saw this request.
		require.Empty(t, response.Header.Get("Date"))
		require.Empty(t, response.Header.Get("X-Request-Id"))
		return fmt.Sprintf("plain %d", response.StatusCode)
	case len(body) == 0:
		return fmt.Sprint(response.StatusCode)
	default:
		require.Equal(t, "application/json", kind)
	}
	require.True(t, json.Valid(body), "%s", body)
	require.NotContains(t, string(body), "60001019906")
	return answer{response.StatusCode, response.Header, string(body)}.shown(t)
}

// Whatever is sent to the mandates services, the answer is the precise one, nothing is changed, and the next good request is answered.
func TestHostilePaasuke(t *testing.T) {
	w := newWire(t, nil)
	w.must(t, "201", add(victimCompany, juri, "AT:ESINDAJA", ""))
	before := w.ask(t, call{method: "GET", path: givenBy(victimCompany)}).body
	names := map[string]bool{}
	for _, rows := range [][]paasukeRow{paasukePathRows, paasukeHTTPRows, paasukeBodyRows} {
		for _, row := range rows {
			require.False(t, names[row.name], "two rows %q", row.name)
			names[row.name] = true
			t.Run(row.name, func(t *testing.T) {
				got := attackWithBytes(t, w.program.Address("xroad"), row.request)
				require.Equal(t, row.want, got)
				require.Equal(t, before, w.ask(t, call{method: "GET", path: givenBy(victimCompany)}).body, "what is stored")
			})
		}
	}
	_, n := w.list(t, heldBy(anu))
	require.Zero(t, n)
}

// Text that would be harmful in SQL or HTML is kept as the text that it is.
func TestPaasukeKeepsNamesAsTheyAre(t *testing.T) {
	w := newWire(t, nil)
	const name = `Robert'); DROP TABLE kasutajad;-- <script> %00 \ "Ü" 한 🙂`
	quoted, err := json.Marshal(name)
	require.NoError(t, err)
	c := add(victimCompany, juri, "AT:AVALDAJA", "")
	c.body = strings.Replace(c.body, `"Jüri"`, string(quoted), 1)
	w.must(t, "201", c)
	list, _ := w.list(t, givenBy(victimCompany))
	require.Equal(t, name, list[0].Delegate.FirstName)
	page, err := http.Get(w.world.PaasukeURL() + "?as=" + strings.ReplaceAll("Mari Näidis, Väikefirma Näidis OÜ", " ", "+"))
	require.NoError(t, err)
	defer page.Body.Close()
	shown, err := io.ReadAll(page.Body)
	require.NoError(t, err)
	require.Contains(t, string(shown), "&lt;script&gt;")
}
