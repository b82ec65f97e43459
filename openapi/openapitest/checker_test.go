package openapitest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/openapi/openapitest"
)

// failures is a test that only collects how it failed.
type failures struct {
	testing.TB
	texts []string
}

func (f *failures) Helper()                   {}
func (f *failures) Errorf(s string, a ...any) { f.texts = append(f.texts, fmt.Sprintf(s, a...)) }
func (f *failures) Fatalf(s string, a ...any) {
	f.Errorf(s, a...)
	runtime.Goexit()
}

const pets = `
openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets/{id}:
    get:
      operationId: getPet
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer}}
      responses:
        "200":
          description: A pet.
          content:
            application/json:
              schema: {type: object, required: [name], additionalProperties: false, properties: {name: {type: string}}}
        "404": {description: None.}
  /pets:
    post:
      operationId: addPet
      requestBody:
        required: true
        content:
          application/json:
            schema: {type: object, required: [name], additionalProperties: false, properties: {name: {type: string}}}
      responses:
        "201": {description: Added.}
        "422": {description: Wrong.}
`

// answering is a server that always answers the same.
func answering(status int, contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sent, err := io.ReadAll(r.Body); err != nil || r.Method == "POST" && len(sent) == 0 {
			panic("the body did not come through")
		}
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

var exchanges = []struct {
	name, method, path, sent string
	status                   int
	contentType, answer      string
	want                     string // part of the failure; "" for none
}{
	{"as described", "GET", "/pets/1", "", 200, "application/json", `{"name":"Muri"}`, ""},
	{"described refusal", "GET", "/pets/x", "", 404, "", "", ""},
	{"body as described", "POST", "/pets", `{"name":"Muri"}`, 201, "", "", ""},
	{"wrong body refused", "POST", "/pets", `{"name":7}`, 422, "", "", ""},
	{"unknown path refused", "GET", "/cats", "", 404, "", "", ""},
	{"unknown method refused", "DELETE", "/pets/1", "", 405, "", "", ""},
	{"HEAD", "HEAD", "/pets/1", "", 200, "", "", ""},
	{"missing member", "GET", "/pets/1", "", 200, "application/json", `{}`, `property "name" is missing`},
	{"added member", "GET", "/pets/1", "", 200, "application/json", `{"name":"Muri","age":7}`, `property "age" is unsupported`},
	{"other type", "GET", "/pets/1", "", 200, "application/json", `{"name":7}`, `value must be a string`},
	{"other media type", "GET", "/pets/1", "", 200, "text/plain", `Muri`, "Content-Type"},
	{"other status", "GET", "/pets/1", "", 204, "", "", "status is not supported"},
	{"undescribed path", "GET", "/cats", "", 200, "", "", "not described"},
	{"undescribed method", "PUT", "/pets", `{}`, 200, "", "", "not described"},
	{"wrong body accepted", "POST", "/pets", `{"name":7}`, 201, "", "", "done nevertheless"},
	{"unknown member accepted", "POST", "/pets", `{"name":"Muri","age":7}`, 201, "", "", "done nevertheless"},
}

func TestChecker(t *testing.T) {
	for _, test := range exchanges {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(answering(test.status, test.contentType, test.answer))
			defer server.Close()
			send := func(url string, via http.RoundTripper) {
				request, err := http.NewRequest(test.method, url+test.path, strings.NewReader(test.sent))
				require.NoError(t, err)
				request.Header.Set("Content-Type", "application/json")
				response, err := via.RoundTrip(request)
				require.NoError(t, err)
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, test.answer, string(body), "the answer comes through")
				require.Equal(t, test.status, response.StatusCode)
			}

			client := &failures{TB: t}
			send(server.URL, openapitest.New(client, []byte(pets)).Transport(nil))
			requireFailure(t, client, test.want)

			side := &failures{TB: t}
			checked := httptest.NewServer(openapitest.New(side, []byte(pets)).Handler(answering(test.status, test.contentType, test.answer)))
			defer checked.Close()
			send(checked.URL, http.DefaultTransport)
			requireFailure(t, side, test.want)
		})
	}
}

func requireFailure(t testing.TB, f *failures, want string) {
	t.Helper()
	if want == "" {
		require.Empty(t, f.texts)
		return
	}
	require.Len(t, f.texts, 1)
	require.Contains(t, f.texts[0], want)
}

func TestCheckerUnseen(t *testing.T) {
	checker := openapitest.New(t, []byte(pets))
	require.Equal(t, []string{"GET /pets/{id}", "POST /pets"}, checker.Unseen())
	for _, test := range exchanges[:2] {
		h := checker.Handler(answering(test.status, test.contentType, test.answer))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(test.method, test.path, nil))
	}
	require.Equal(t, []string{"POST /pets"}, checker.Unseen())
}

func TestNewRefusesDescriptions(t *testing.T) {
	for _, test := range []struct{ description, want string }{
		{"openapi: [", "cannot be read"},
		{strings.Replace(pets, `"404": {description: None.}`, `"404": {}`, 1), "is wrong"},
		{strings.Replace(string(openapi.Core()), "state: created", "state: paid", 1), "is wrong"}, // an example
	} {
		f := &failures{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			openapitest.New(f, []byte(test.description))
		}()
		<-done
		requireFailure(t, f, test.want)
	}
}
