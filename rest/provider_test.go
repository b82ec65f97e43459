package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

const (
	shop   = "ee-dev/COM/11000001/shop"
	fixed  = "5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11"
	prefix = "urn:problem-type:ee.example:"
)

// seen is what an operation was given.
type seen struct {
	Client, ID, User, Party, Issue, Item string
	Body                                 order
}

type order struct {
	Role   string  `json:"role"`
	Until  *string `json:"until"`
	Period *struct {
		From *string `json:"from"`
	} `json:"period"`
}

func operations() []rest.Operation {
	serve := func(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
		s := seen{Client: h.Client.String(), ID: h.ID, Item: r.PathValue("item")}
		if h.UserID != nil {
			s.User = *h.UserID
		}
		if h.RepresentedParty != nil {
			s.Party = h.RepresentedParty.PartyCode
		}
		if h.Issue != nil {
			s.Issue = *h.Issue
		}
		if h.Service != (xroadhdr.ServiceID{}) {
			return rest.Answer{}, errors.New("the client's own word for the service was believed")
		}
		if r.Method == http.MethodPost {
			if err := rest.DecodeOpen(r, &s.Body); err != nil {
				return rest.Answer{}, err
			}
		}
		return rest.Answer{Body: s, Header: http.Header{"X-Road-Error": {"Server.ServerProxy.AccessDenied"}, "x-road-id": {"other"}, "Etag": {`"1"`}}}, nil
	}
	return []rest.Operation{
		{Name: "getItem", Method: "GET", Path: "/s/v1/items/{item}", Serve: serve},
		{Name: "getSub", Method: "GET", Path: "/s/v1/items/{item}/sub", Serve: serve},
		{Name: "addItem", Method: "POST", Path: "/s/v1/items/{item}", Serve: serve, Listed: true},
		{Name: "fail", Method: "GET", Path: "/s/v1/fails/{how}", Serve: func(_ xroadhdr.Header, r *http.Request) (rest.Answer, error) {
			switch r.PathValue("how") {
			case "panic":
				panic("boom")
			case "forbidden":
				return rest.Answer{}, &rest.Problem{Status: 403, Code: "forbidden", Fields: []rest.Field{{Path: "X-Road-UserId", Rule: "foreign-user"}}}
			}
			return rest.Answer{}, errors.New("password is hunter2")
		}},
	}
}

// provided is a provider whose only client is the shop; security gets its security events.
func provided(allowed func(xroadhdr.ClientID) bool, security io.Writer) http.Handler {
	return rest.NewProvider(rest.ProviderOptions{
		Provider: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"},
		Allowed:  allowed, NewID: func() string { return fixed }, MaxBody: 1000,
		Security: slog.New(slog.NewJSONHandler(security, nil)),
		Problems: rest.Wording{TypePrefix: prefix, Page: "https://example.ee/problems",
			Texts: map[string]rest.Translation{"": {ET: "Viga"}, "type": {ET: "Vale tüüp", EN: "Wrong type", RU: "Неверный тип"}, "forbidden": {ET: "Keelatud"}}},
	}, operations()...)
}

func onlyShop(id xroadhdr.ClientID) bool { return id.String() == shop }

// requireList checks what every problem list has, and returns it as "type field" lines.
func requireList(t testing.TB, answer *http.Response, status int) []rest.ListedProblem {
	t.Helper()
	body := text(t, answer)
	require.Equal(t, status, answer.StatusCode, body)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	var list []rest.ListedProblem
	require.NoError(t, json.Unmarshal([]byte(body), &list), body)
	require.NotEmpty(t, list)
	for _, p := range list {
		require.True(t, strings.HasPrefix(p.Type, prefix), p.Type)
		require.Equal(t, "https://example.ee/problems#"+strings.TrimPrefix(p.Type, prefix), p.Href)
		require.Equal(t, status, p.Status)
		require.Equal(t, "urn:uuid:"+fixed, p.Instance)
		require.NotEmpty(t, p.Title)
		require.NotEmpty(t, p.Translation.ET)
	}
	return list
}

func TestProviderBindsTheHeader(t *testing.T) {
	h := provided(onlyShop, io.Discard)
	for _, test := range []struct {
		name   string
		fields []string
		want   seen
	}{
		{"client alone", []string{"X-Road-Client", shop}, seen{Client: shop}},
		{"everything", []string{"x-road-client", shop, "X-Road-Id", "1", "X-Road-UserId", "EE60001019906", "X-Road-Represented-Party", "COM/EE11000001", "X-Road-Issue", "7", "X-Road-Request-Id", "r"},
			seen{Client: shop, ID: "1", User: "EE60001019906", Party: "EE11000001", Issue: "7"}},
		{"party is decoded", []string{"X-Road-Client", shop, "X-Road-Represented-Party", "urn:uuid:a%2Fb+c%C3%B5"}, seen{Client: shop, Party: "urn:uuid:a/b+cõ"}},
		{"client is decoded", []string{"X-Road-Client", "ee-dev/COM/11000001/s%68op"}, seen{Client: shop}},
		{"empty ones are absent", []string{"X-Road-Client", shop, "X-Road-UserId", "", "X-Road-Represented-Party", "", "X-Road-Issue", "", "X-Road-Service", ""}, seen{Client: shop}},
		{"the service is not believed", []string{"X-Road-Client", shop, "X-Road-Service", "EE/GOV/1/a/b"}, seen{Client: shop}},
		{"nor an error", []string{"X-Road-Client", shop, "X-Road-Error", "Server"}, seen{Client: shop}},
	} {
		answer := ask(h, "GET", "/s/v1/items/7", "", test.fields...)
		var got seen
		require.NoError(t, json.Unmarshal([]byte(text(t, answer)), &got), test.name)
		test.want.Item = "7"
		require.Equal(t, test.want, got, test.name)
		require.Equal(t, 200, answer.StatusCode)
		require.Equal(t, `"1"`, answer.Header.Get("ETag"))
		requireNoXRoad(t, answer)
	}
}

// An answer never carries a field that security servers set (fact sheet §6.2, idea 91).
func requireNoXRoad(t testing.TB, answer *http.Response) {
	t.Helper()
	for name := range answer.Header {
		require.False(t, strings.HasPrefix(strings.ToLower(name), "x-road-"), name)
	}
}

func TestProviderPathsAreTakenAsTheyAre(t *testing.T) {
	h := provided(onlyShop, io.Discard)
	for _, test := range []struct{ path, item string }{ // "-": no such path
		{"/s/v1/items/a%2Fb", "a/b"},
		{"/s/v1/items/a%2Fb%2F..%2Fc", "a/b/../c"},
		{"/s/v1/items/..", ".."},
		{"/s/v1/items/%2e%2e", ".."},
		{"/s/v1/items/a%252Fb", "a%2Fb"}, // decoded once
		{"/s/v1/items/a+b", "a+b"},
		{"/s/v1/items/%C3%B5", "õ"},
		{"/s/v1/items//sub", ""},
		{"/s/v1/items/", "-"},
		{"/s/v1/items/a/b", "-"},
		{"/s/v1//items/a", "-"},
		{"/s/v1/x/../items/a", "-"},
		{"/s/v1/items/a/", "-"},
		{"/s/v1/ITEMS/a", "-"},
		{"/s%2Fv1/items/a", "-"},
		{"//s/v1/items/a", "-"},
	} {
		answer := ask(h, "GET", test.path, "", "X-Road-Client", shop)
		if test.item == "-" {
			require.Equal(t, prefix+"not-found", requireList(t, answer, 404)[0].Type, test.path)
			continue
		}
		var got seen
		require.NoError(t, json.Unmarshal([]byte(text(t, answer)), &got), test.path)
		require.Equal(t, test.item, got.Item, test.path)
	}
}

func TestProviderRefusesHeaders(t *testing.T) {
	for _, test := range []struct {
		name, want string // type and the beginning of what its title says
		status     int
		security   string // part of the security event, "" for none
		fields     []string
	}{
		{"no client", "required X-Road-Client is missing", 400, "", nil},
		{"empty client", "format X-Road-Client", 400, "", []string{"X-Road-Client", ""}},
		{"client of two parts", "format X-Road-Client", 400, "", []string{"X-Road-Client", "EE/GOV"}},
		{"client in one part", "format X-Road-Client", 400, "", []string{"X-Road-Client", "ee-dev%2FCOM%2F11000001%2Fshop"}},
		{"client list", "format X-Road-Client", 400, "", []string{"X-Road-Client", shop + ", " + shop}},
		{"another client", "forbidden", 403, `"client":"EE/GOV/1/a"`, []string{"X-Road-Client", "EE/GOV/1/a"}},
		{"client of other case", "forbidden", 403, `"client":"EE-DEV/COM/11000001/shop"`, []string{"X-Road-Client", "EE-DEV/COM/11000001/shop"}},
		{"look-alike client", "forbidden", 403, "access refused", []string{"X-Road-Client", "ee-dev/COM/11000001/sh%D0%BEp"}},
		{"two clients", "duplicate X-Road-Client", 400, `"field":"X-Road-Client"`, []string{"X-Road-Client", "EE/GOV/1/a", "X-Road-Client", shop}},
		{"two users", "duplicate X-Road-UserId", 400, `"field":"X-Road-UserId"`, []string{"X-Road-Client", shop, "X-Road-UserId", "EE60001019906", "x-road-userid", ""}},
		{"two parties", "duplicate X-Road-Represented-Party", 400, "header field sent twice", []string{"X-Road-Client", shop, "X-Road-Represented-Party", "EE1", "X-Road-Represented-Party", "EE1"}},
		{"two services", "duplicate X-Road-Service", 400, "header field sent twice", []string{"X-Road-Client", shop, "X-Road-Service", "a", "X-Road-Service", "b"}},
		{"party of three parts", "format X-Road-Represented-Party", 400, "", []string{"X-Road-Client", shop, "X-Road-Represented-Party", "A/B/C"}},
		{"party with a raw blank", "format X-Road-Represented-Party", 400, "", []string{"X-Road-Client", shop, "X-Road-Represented-Party", "EE 1"}},
		{"party with half a triplet", "format X-Road-Represented-Party", 400, "", []string{"X-Road-Client", shop, "X-Road-Represented-Party", "EE%4"}},
		{"party with an encoded NUL", "format X-Road-Represented-Party", 400, "", []string{"X-Road-Client", shop, "X-Road-Represented-Party", "EE%001"}},
		{"id without end", "format X-Road-Id", 400, "", []string{"X-Road-Client", shop, "X-Road-Id", strings.Repeat("1", 1025)}},
		{"id not UTF-8", "format X-Road-Id", 400, "", []string{"X-Road-Client", shop, "X-Road-Id", "\xff"}},
		{"user with a control character", "format X-Road-UserId", 400, "", []string{"X-Road-Client", shop, "X-Road-UserId", "EE\u0085"}},
	} {
		var security bytes.Buffer
		answer := ask(provided(onlyShop, &security), "POST", "/s/v1/items/7", `{"role":"x"}`, append(test.fields, "Content-Type", "application/json")...)
		p := requireList(t, answer, test.status)[0]
		require.Contains(t, strings.TrimPrefix(p.Type, prefix)+" "+strings.TrimPrefix(p.Title, "Malformed request: "), test.want, test.name)
		requireNoXRoad(t, answer)
		if test.security == "" {
			require.Empty(t, security.String(), test.name)
			continue
		}
		require.Contains(t, security.String(), test.security, test.name)
		require.Contains(t, security.String(), fixed, test.name)
		require.NotContains(t, security.String(), "60001019906", test.name)
	}
}

// Whoever reaches the listener can write any header, so what changes something is for clients on a list (design §8).
func TestProviderChangesForListedClientsOnly(t *testing.T) {
	var security bytes.Buffer
	open := provided(nil, &security)
	require.Equal(t, 200, ask(open, "GET", "/s/v1/items/7", "", "X-Road-Client", shop).StatusCode)
	answer := ask(open, "POST", "/s/v1/items/7", `{}`, "X-Road-Client", shop, "Content-Type", "application/json")
	require.Equal(t, prefix+"forbidden", requireList(t, answer, 403)[0].Type)
	require.Contains(t, security.String(), "no list of allowed clients")

	answer = ask(provided(onlyShop, io.Discard), "POST", "/s/v1/items/7", `{}`, "X-Road-Client", shop, "Content-Type", "application/json")
	require.Equal(t, 200, answer.StatusCode)
}

// What an operation refuses to a person is an event too, without the person.
func TestProviderTellsOfRefusals(t *testing.T) {
	var security bytes.Buffer
	answer := ask(provided(onlyShop, &security), "GET", "/s/v1/fails/forbidden", "", "X-Road-Client", shop, "X-Road-UserId", "EE60001019906")
	require.Equal(t, prefix+"foreign-user", requireList(t, answer, 403)[0].Type)
	for _, part := range []string{"access refused", `"operation":"fail"`, "X-Road-UserId foreign-user", shop, fixed} {
		require.Contains(t, security.String(), part)
	}
	require.NotContains(t, security.String(), "60001019906")
}

func TestProviderMethods(t *testing.T) {
	h := provided(onlyShop, io.Discard)
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"HEAD", "/s/v1/items/7", 200, ""},
		{"HEAD", "/s/v1/nothing", 404, ""},
		{"OPTIONS", "/s/v1/items/7", 204, "GET, HEAD, POST, OPTIONS"},
		{"OPTIONS", "/s/v1/nothing", 404, ""},
		{"DELETE", "/s/v1/items/7", 405, "GET, HEAD, POST, OPTIONS"},
		{"TRACE", "/s/v1/items/7", 405, "GET, HEAD, POST, OPTIONS"},
		{"PROPFIND", "/s/v1/items/7", 405, "GET, HEAD, POST, OPTIONS"},
		{"get", "/s/v1/items/7", 405, "GET, HEAD, POST, OPTIONS"},
		{"GET", "/", 404, ""},
	} {
		name := test.method + " " + test.path
		answer := ask(h, test.method, test.path, "", "X-Road-Client", shop)
		require.Equal(t, test.status, answer.StatusCode, name)
		require.Equal(t, test.allow, answer.Header.Get("Allow"), name)
		switch {
		case test.method == "HEAD":
			require.Equal(t, "application/json", answer.Header.Get("Content-Type"), name)
			require.NotEqual(t, "0", answer.Header.Get("Content-Length"), name)
			require.Empty(t, text(t, answer), name)
		case test.status >= 400:
			requireList(t, answer, test.status)
		}
	}
}

func TestProviderRefusesBodies(t *testing.T) {
	h := provided(onlyShop, io.Discard)
	for _, test := range []struct {
		name, body, contentType string
		status                  int
		want                    []string // type, and the end of the title
	}{
		{"no body", "", "application/json", 400, []string{"malformed A body is expected."}},
		{"no content type", `{}`, "", 415, []string{"unsupported-media-type"}},
		{"text", `{}`, "text/plain", 415, []string{"unsupported-media-type"}},
		{"form", `role=x`, "application/x-www-form-urlencoded", 415, []string{"unsupported-media-type"}},
		{"Latin-1", `{}`, "application/json; charset=iso-8859-1", 415, []string{"unsupported-media-type"}},
		{"too long", `{"role":"` + strings.Repeat("x", 1000) + `"}`, "application/json", 413, []string{"too-large"}},
		{"not JSON", `{"role":`, "application/json", 400, []string{"malformed The body is not one JSON value"}},
		{"two values", `{} {}`, "application/json", 400, []string{"malformed The body is not one JSON value"}},
		{"not UTF-8", "{\"role\":\"\xff\"}", "application/json", 400, []string{"malformed The body is not UTF-8."}},
		{"an array", `[]`, "application/json", 400, []string{"type must be an object"}},
		{"wrong types, each by its path", `{"role":7,"until":{},"period":{"from":false}}`, "application/json", 400,
			[]string{"type role must be a string", "type until must be a string", "type period.from must be a string"}},
		{"a member twice", `{"role":"a","role":"b"}`, "application/json", 400, []string{"duplicate role is there twice"}},
		{"an unknown member twice", `{"new":{"a":1,"a":2}}`, "application/json", 400, []string{"duplicate new.a is there twice"}},
		{"another case", `{"role":"a","ROLE":"b"}`, "application/json", 400, []string{"unknown ROLE differs from a member here in case only"}},
		{"a Kelvin sign for k is another case", `{"period":{"FROM":"2027-01-01"}}`, "application/json", 400, []string{"unknown period.FROM differs"}},
		{"deep", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "application/json", 400, []string{"malformed The body nests deeper"}},
	} {
		fields := []string{"X-Road-Client", shop}
		if test.contentType != "" {
			fields = append(fields, "Content-Type", test.contentType)
		}
		answer := ask(h, "POST", "/s/v1/items/7", test.body, fields...)
		list := requireList(t, answer, test.status)
		require.Len(t, list, len(test.want), test.name)
		for i, want := range test.want {
			_, said, _ := strings.Cut(list[i].Title, ": ")
			require.Contains(t, strings.TrimPrefix(list[i].Type, prefix)+" "+said, want, test.name)
		}
	}
	answer := ask(h, "POST", "/s/v1/items/7", `{"role":"a","until":null,"period":null,"added later":[{"role":1}]}`, "X-Road-Client", shop, "Content-Type", "application/json;charset=UTF-8")
	require.Equal(t, 200, answer.StatusCode)
}

// Texts go by the rule, then by the code; our failures are 503 and tell nothing of themselves.
func TestProviderProblems(t *testing.T) {
	h := provided(onlyShop, io.Discard)
	answer := ask(h, "POST", "/s/v1/items/7", `{"role":7}`, "X-Road-Client", shop, "Content-Type", "application/json")
	require.Equal(t, "Wrong type", requireList(t, answer, 400)[0].Translation.EN)
	answer = ask(h, "GET", "/s/v1/items/7", "", "X-Road-Client", "EE/GOV/1/a")
	require.Equal(t, "Keelatud", requireList(t, answer, 403)[0].Translation.ET)
	for _, path := range []string{"/s/v1/fails/x", "/s/v1/fails/panic"} {
		list := requireList(t, ask(h, "GET", path, "", "X-Road-Client", shop), 503)
		require.Equal(t, "Viga", list[0].Translation.ET)
		require.NotContains(t, list[0].Title, "hunter2")
		require.NotContains(t, list[0].Title, "boom")
	}
}

// The record of an exchange has the operation, never the path with its codes.
func TestProviderFillsTheExchange(t *testing.T) {
	h := provided(onlyShop, io.Discard)
	for path, route := range map[string]string{"/s/v1/items/EE60001019906": "/s/v1/items/{item}", "/s/v1/EE60001019906": "(no operation)"} {
		exchange := &xroadhdr.Exchange{RequestID: fixed}
		r, err := http.NewRequestWithContext(xroadhdr.WithExchange(t.Context(), exchange), "GET", "http://x"+path, nil)
		require.NoError(t, err)
		r.Header.Set("X-Road-Client", shop)
		r.Header.Set("X-Road-Id", "1")
		h.ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, route, exchange.Route)
		require.Equal(t, "1", exchange.XRoadID)
		require.Equal(t, shop, exchange.Client.String())
	}
}

// FuzzProvider holds that whatever stands in path and header, the answer is the operation's or a list of problems, never a failure
// of ours, and that what the operation saw is what was sent, decoded once.
func FuzzProvider(f *testing.F) {
	for _, path := range []string{"/s/v1/items/7", "/s/v1/items/a%2Fb", "/s/v1/items/..", "/s/v1/x/../items/a", "/s/v1/items/%00", "//", "/s/v1/items/%ff"} {
		f.Add("GET", path, shop, "1", "EE60001019906", "COM/EE11000001")
	}
	f.Add("POST", "/s/v1/items/7", "EE/GOV/1%2F2", "", "", "a/b/c")
	f.Add("OPTIONS", "/", "", "\xff", "\x00", "%C3%B5")
	h := provided(onlyShop, io.Discard)
	f.Fuzz(func(t *testing.T, method, path, client, id, user, party string) {
		r, err := http.NewRequest(method, "http://x"+path, strings.NewReader("{}"))
		if err != nil || r.URL.Host != "x" {
			t.Skip("not an HTTP request")
		}
		r.Header = http.Header{"X-Road-Client": {client}, "X-Road-Id": {id}, "X-Road-Userid": {user}, "X-Road-Represented-Party": {party}, "Content-Type": {"application/json"}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		answer := w.Result()
		requireNoXRoad(t, answer)
		switch answer.StatusCode {
		case 200:
			body := text(t, answer)
			if r.Method == http.MethodHead {
				return
			}
			var got seen
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			require.Equal(t, shop, got.Client)
			require.Equal(t, id, got.ID)
			require.Equal(t, user, got.User)
		case 204:
			require.Equal(t, http.MethodOptions, r.Method)
		case 400, 403, 404, 405:
			if r.Method != http.MethodHead {
				requireList(t, answer, answer.StatusCode)
			}
		default:
			t.Fatalf("%s %q: %d", method, path, answer.StatusCode)
		}
	})
}
