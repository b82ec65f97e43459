package soap_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// Spellings of the Content-Type that toolkits use, right and sloppy (§§3.3, 10); bad ones are in badMultiparts.
func TestHandlerReadsContentTypes(t *testing.T) {
	handler := soap.NewHandler(soap.HandlerOptions{}, storeDocument(accept))
	tests := []struct{ contentType, boundary string }{
		{`multipart/related; boundary=b`, "b"},
		{`MULTIPART/Related;BOUNDARY="b";TYPE="text/xml"`, "b"},
		{`multipart/related; boundary="b"; type="application/soap+xml"`, "b"},
		{`multipart/related; boundary="b;\"c\\"; type=text/xml`, `b;"c\`},
		{`multipart/related; type=text/xml; boundary=----=_Part_0_1.2`, "----=_Part_0_1.2"},
		{`multipart/related; boundary=a:b; ; `, "a:b"},
		{`multipart/related; type=text/xml; boundary=b; boundary="b"`, "b"},
		{`multipart/related; type=text/xml; charset=utf-8; start=<root>; boundary=b`, "b"},
		{`multipart/related; type=text/xml; start="root"; boundary=b`, "b"},
		{`multipart/related; boundary=` + strings.Repeat("b", 70), strings.Repeat("b", 70)},
	}
	for _, test := range tests {
		t.Run(test.contentType, func(t *testing.T) {
			body := strings.ReplaceAll(joined(soapPart(t, ""), "Content-Type: a/b\r\n\r\nx"), "\r\n--b", "\r\n--"+test.boundary)
			body = "--" + test.boundary + strings.TrimPrefix(body, "--b")
			a := post(t, handler, body, func(r *http.Request) { r.Header.Set("Content-Type", test.contentType) })
			require.Equal(t, http.StatusOK, a.status, string(a.body))
		})
	}
}
