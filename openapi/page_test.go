package openapi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProse(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"One.\nTwo.\n\nThree.\n", "<p>One.\nTwo.</p>\n<p>Three.</p>\n"},
		{"a `b<c>` & **d<e>** <f>", "<p>a <code>b&lt;c&gt;</code> &amp; <strong>d&lt;e&gt;</strong> &lt;f&gt;</p>\n"},
		{"`unclosed **too", "<p>`unclosed **too</p>\n"},
	} {
		require.Equal(t, test.want, string(prose(test.text)), test.text)
	}
}

func TestPageRefuses(t *testing.T) {
	for _, test := range []struct{ document, want string }{
		{`{"paths": []}`, "reading the description: an object is expected"},
		{`{"tags": [{"name": "a"}], "paths": {"/x": {"get": {"tags": ["a"], "responses": {"200": {"$ref": "#/components/responses/X"}}}}}}`,
			`GET /x: reference "#/components/responses/X" leads nowhere`},
		{`{"tags": [{"name": "a"}], "paths": {"/x": {"get": {"tags": ["a"], "parameters": [{"$ref": "#/components/schemas/X"}]}}}}`,
			`GET /x: reference "#/components/schemas/X" leads nowhere`},
	} {
		_, err := renderPage([]byte(test.document))
		require.ErrorContains(t, err, test.want)
	}
}
