package openapi_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/openapi"
)

func ask(t testing.TB, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := openapi.NewHandler()
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestHandlerServesTheDescription(t *testing.T) {
	for _, test := range []struct {
		path, mediaType string
		body            []byte
	}{
		{"/api/openapi.yaml", "application/yaml", openapi.Core()},
		{"/api/openapi.json", "application/json", openapi.CoreJSON()},
	} {
		w := ask(t, "GET", test.path)
		require.Equal(t, http.StatusOK, w.Code, test.path)
		require.Equal(t, test.mediaType, w.Header().Get("Content-Type"), test.path)
		require.Equal(t, string(test.body), w.Body.String(), test.path)
		head := ask(t, "HEAD", test.path)
		require.Equal(t, w.Header(), head.Header(), test.path)
		require.Empty(t, head.Body.String(), test.path)
	}
	require.Equal(t, http.StatusNotFound, ask(t, "GET", "/api/").Code)
	w := ask(t, "POST", "/api/docs")
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

// requireShown says what is missing, without the whole page.
func requireShown(t testing.TB, page, want string) {
	t.Helper()
	require.True(t, strings.Contains(page, want), "the page does not show %s", want)
}

func TestPageShowsEverything(t *testing.T) {
	w := ask(t, "GET", "/api/docs")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	page := w.Body.String()

	var d struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas  map[string]json.RawMessage
			Examples map[string]struct{ Value struct{ Title string } }
		}
	}
	require.NoError(t, json.Unmarshal(openapi.CoreJSON(), &d))
	for path, item := range d.Paths {
		requireShown(t, page, "<code>"+path+"</code>")
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var o struct{ OperationID, Summary string }
			require.NoError(t, json.Unmarshal(raw, &o))
			requireShown(t, page, `<article id="`+o.OperationID+`">`+"\n<h3>"+html.EscapeString(o.Summary))
			requireShown(t, page, `<a href="#`+o.OperationID+`">`)
		}
	}
	for name := range d.Components.Schemas {
		requireShown(t, page, `<article id="schema-`+name+`">`)
	}
	for _, e := range d.Components.Examples {
		requireShown(t, page, html.EscapeString(`"title": "`+e.Value.Title+`"`))
	}
	requireShown(t, page, "&#34;announcementId&#34;: 1204,\n  &#34;amount&#34;: &#34;30.00&#34;") // examples keep their order
	requireShown(t, page, "created | pending")
	requireShown(t, page, "<strong>Tokens.</strong>")
}

func TestPageIsSelfContained(t *testing.T) {
	w := ask(t, "GET", "/api/docs")
	page := w.Body.String()
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "<link")
	require.NotContains(t, page, "<img")
	require.NotContains(t, page, "url(")
	require.NotContains(t, page, "ZgotmplZ", "a value that html/template refused")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")

	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		require.False(t, ids[m[1]], "id %s is there twice", m[1])
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if anchor, ok := strings.CutPrefix(m[1], "#"); ok {
			require.True(t, ids[anchor], "link to %s leads nowhere", anchor)
			continue
		}
		require.Contains(t, []string{"openapi.yaml", "openapi.json"}, m[1])
	}
}
