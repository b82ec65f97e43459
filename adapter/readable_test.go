package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadable(t *testing.T) {
	for _, row := range []struct{ body, want string }{
		{`<a xmlns:b="c"><b:d e="f">g</b:d><h/></a>`, "<a xmlns:b=\"c\">\n  <b:d e=\"f\">g</b:d>\n  <h/>\n</a>\n"},
		{"\n<a><b>ä</b></a>", "<a>\n  <b>ä</b>\n</a>\n"},
		{`{"a":[1,"õ"]}`, "{\n  \"a\": [\n    1,\n    \"õ\"\n  ]\n}"},
		{`[]`, `[]`},
		{``, ``},
		{`plain`, `plain`},
		{`<a><b></a>`, `<a><b></a>`},
		{`{"a":`, `{"a":`},
		{"a\r\nb\tc\rd", "a\nb\tc\\x0dd"},
		{"\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\x07`},
		{"<a>&#27;[31m\u009b2J</a>", `<a>&#27;[31m\u009b2J</a>`},
		{"a\u202eb\u2066c\u200b\ufeff", `a\u202eb\u2066c\u200b\ufeff`},
		{"\xff\x00\x7f\u0085", `\xff\x00\x7f\u0085`},
		{`{"a":"` + "\u2028" + `"}`, "{\n  \"a\": \"" + `\u2028` + "\"\n}"},
		{strings.Repeat("[", 200), strings.Repeat("[", 200)},
		{strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat("[", 200) + strings.Repeat("]", 200)},
		{strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200), strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)},
	} {
		require.Equal(t, row.want, readable([]byte(row.body)), "%q", row.body)
	}
}

func FuzzReadable(f *testing.F) {
	f.Add([]byte(`<a b="c">&#x1b;<![CDATA[d]]></a>`))
	f.Add([]byte("{\"a\": \"\x1b[31m\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		text := readable(body)
		require.Equal(t, text, terminalSafe(text), "nothing is left that a terminal obeys")
		require.LessOrEqual(t, len(text), 64+(len(body)+1)*(2*maxIndentDepth+10))
	})
}
