package mask_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mask"
)

var rules = mask.Rules{Elements: []string{"Secretly", "Owner/Id"}, Members: []string{"hidden", "owner.id", "$.top"}}

const (
	asXML  = "text/xml; charset=UTF-8"
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// bodyTests are bodies and what is left of them.
var bodyTests = []struct{ contentType, body, want string }{
	{asXML, `<a><b>x</b></a>`, `<a><b>x</b></a>`},
	{asXML, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:E xmlns:s='urn:s'><s:userId>EE60001019906</s:userId><!-- c --></s:E>\n",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:E xmlns:s='urn:s'><s:userId>***</s:userId><!-- c --></s:E>\n"},
	{asXML, `<a><secretly x="1">t<b>u</b><!-- v --><![CDATA[w]]></secretly>k</a>`, `<a><secretly x="***">***<b>***</b>***</secretly>k</a>`},
	{asXML, `<a><Owner><Id>1</Id></Owner><Id>2</Id></a>`, `<a><Owner><Id>***</Id></Owner><Id>2</Id></a>`},
	{asXML, `<a n="60001019906" m='1'/>`, `<a n="***" m="1"/>`},
	{asXML, `<a>&#54;0001019906, m@x.ee</a>`, `<a>***, ***</a>`},
	{asXML, `<a><![CDATA[60001019906]]></a>`, `<a><![CDATA[***]]></a>`},
	{asXML, `<a secretly="x"/>`, `<a secretly="***"/>`},
	{asXML, `<Secretly/>`, `<Secretly/>`},
	{"application/soap+xml", `<a>1</a>`, `<a>1</a>`},
	{"", `<a>1</a>`, `<a>1</a>`},
	{asJSON, `{"a": 1, "hidden": "x", "b": [true, null, {"hidden": {"c": 2, "d": [false, null]}}]}`,
		`{"a": 1, "hidden": "***", "b": [true, null, {"hidden": {"c": "***", "d": ["***", null]}}]}`},
	{asJSON, `{"owner":{"id":1,"name":2},"id":3,"top":4,"x":{"top":5}}`, `{"owner":{"id":"***","name":2},"id":3,"top":"***","x":{"top":5}}`},
	{asJSON, `[60001019906, "EE60001019906", "\u0036\u0030001019906", {"60001019906": 1}]`, `["***", "EE***", "***", {"***": 1}]`},
	{asJSON, `{"h\u0069dden": 1, "hidden": ""}`, `{"h\u0069dden": "***", "hidden": ""}`},
	{asJSON, `"q\"m@x.ee"`, `"q\"***"`},
	{asJSON, ` 12 `, ` 12 `},
	{"application/problem+json", `{"detail":"m@x.ee"}`, `{"detail":"***"}`},
	{asForm, `a=1&hidden=2&password=3&c=60001019906&d`, `a=1&hidden=***&password=***&c=***&d`},
	{"multipart/related; boundary=B", "--B\r\nContent-Type: text/xml\r\nContent-Id: <m@x.ee>\r\n\r\n<userId>x</userId>\r\n--B\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--B\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEvPg==\r\n--B--\r\n",
		"--B\r\nContent-Id: <***>\r\nContent-Type: text/xml\r\n\r\n<userId>***</userId>\r\n--B\r\nContent-Type: application/pdf\r\n\r\n***\r\n--B\r\nContent-Transfer-Encoding: base64\r\nContent-Type: text/xml\r\n\r\n***\r\n--B--\r\n"},
	// what cannot be read is masked whole
	{asXML, `<a>`, "***"},
	{asXML, `<a></b>`, "***"},
	{asXML, `</a>`, "***"},
	{asXML, `plain`, "***"},
	{asXML, `<!DOCTYPE a [<!ENTITY x "60001019906">]><a>&x;</a>`, "***"},
	{asXML, `<a>&unknown;</a>`, "***"},
	{asXML, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>", "***"},
	{asXML, strings.Repeat("<a>", 300) + strings.Repeat("</a>", 300), "***"},
	{asJSON, `{"a":1`, "***"},
	{asJSON, `<a/>`, "***"},
	{asJSON, strings.Repeat("[", 300) + strings.Repeat("]", 300), "***"},
	{asForm, `%zz=1`, "***"},
	{"text/html", `<p>60001019906`, "***"},
	{"text/plain", `Mari`, "***"},
	{"image/png", "\x89PNG", "***"},
	{"nonsense;;", `<a/>`, "***"},
	{"multipart/related", "--B\r\n\r\n--B--", "***"},
	{"multipart/related; boundary=B", "--B\r\n", "***"},
	{"", "Mari", "***"},
	{asXML, "", ""},
}

func TestBody(t *testing.T) {
	masker := mask.New(rules)
	for _, test := range bodyTests {
		require.Equal(t, test.want, string(masker.Body(test.contentType, []byte(test.body))), "%s: %.200s", test.contentType, test.body)
	}
}

// The messages of our partners keep their shape and nothing of persons.
func TestGoldenMessagesMasked(t *testing.T) {
	paths, err := filepath.Glob("../wsdl/testdata/messages/*.xml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	masker := mask.New(mask.Rules{})
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		masked := string(masker.Body(asXML, text))
		require.NotEqual(t, mask.Mark, masked, "%s", path)
		require.NotContains(t, masked, "60001019906", "%s", path)
		require.NotContains(t, masked, "@", "%s", path)
	}
}

// FuzzBody holds that what came as XML or JSON stays so, and that a code in it is gone.
func FuzzBody(f *testing.F) {
	for _, test := range bodyTests {
		f.Add(test.contentType, []byte(test.body))
	}
	masker := mask.New(rules)
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		masked := masker.Body(contentType, body)
		if len(body) == 0 || string(masked) == mask.Mark {
			return
		}
		switch contentType {
		case asJSON:
			require.True(t, json.Valid(masked), "%q", masked)
			var v any
			require.NoError(t, json.Unmarshal(masked, &v))
			noCode(t, v)
		case asXML:
			d := xml.NewDecoder(strings.NewReader(string(masked)))
			for {
				token, err := d.RawToken()
				if err == io.EOF {
					return
				}
				require.NoError(t, err, "%q", masked)
				if text, ok := token.(xml.CharData); ok {
					require.NotEqual(t, "60001019906", string(text))
				}
			}
		}
	})
}

func noCode(t *testing.T, v any) {
	switch v := v.(type) {
	case string:
		require.NotEqual(t, "60001019906", v)
	case []any:
		for _, item := range v {
			noCode(t, item)
		}
	case map[string]any:
		for name, item := range v {
			require.NotEqual(t, "60001019906", name)
			noCode(t, item)
		}
	}
}
