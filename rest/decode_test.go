package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
)

type payer struct {
	Code string   `json:"code"`
	Tags []string `json:"tags,omitempty"`
}

type labelled struct {
	Labels map[string]int `json:"labels,omitempty"`
}

// message has a member of every kind that operations use.
type message struct {
	AnnouncementID int64           `json:"announcementId,omitempty"`
	Amount         string          `json:"amount,omitempty"`
	Payer          *payer          `json:"payer,omitempty"`
	Items          []payer         `json:"items,omitempty"`
	Through        *time.Time      `json:"through,omitempty"`
	Urgent         bool            `json:"urgent,omitempty"`
	Extra          json.RawMessage `json:"extra,omitempty"`
	Hidden         string          `json:"-"`
	labelled
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func problemOf(t testing.TB, err error) *rest.Problem {
	t.Helper()
	var problem *rest.Problem
	require.ErrorAs(t, err, &problem)
	return problem
}

var goodBodies = []struct {
	body string
	want message
}{
	{`{}`, message{}},
	{" {\n} \n", message{}},
	{`{"announcementId": -7, "amount": "30.00"}`, message{AnnouncementID: -7, Amount: "30.00"}},
	{`{"payer": null, "through": null, "items": null, "labels": null}`, message{}},
	{`{"payer": {"code": "EE60001019906", "tags": ["a"]}}`, message{Payer: &payer{Code: "EE60001019906", Tags: []string{"a"}}}},
	{`{"items": [{"code": "1"}, {"code": "2"}]}`, message{Items: []payer{{Code: "1"}, {Code: "2"}}}},
	{`{"labels": {"a": 1, "b": 2}}`, message{labelled: labelled{Labels: map[string]int{"a": 1, "b": 2}}}},
	{`{"extra": {"any": [1, null]}}`, message{Extra: json.RawMessage(`{"any": [1, null]}`)}},
	{`{"amount": "\ud83d\ude00\"\\\/"}`, message{Amount: "😀\"\\/"}},
	{`{"amount": "{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{["}`, message{Amount: strings.Repeat("{[", 18)}},
}

func TestDecodeGood(t *testing.T) {
	for _, test := range goodBodies {
		var got message
		require.NoError(t, rest.Decode(post(test.body), &got), test.body)
		require.Equal(t, test.want, got, test.body)
	}
}

var badMembers = []struct {
	body, path, rule string
}{
	{`null`, "", "type"},
	{`[]`, "", "type"},
	{`"x"`, "", "type"},
	{`{"announcementId": "1"}`, "announcementId", "type"},
	{`{"announcementId": 1.5}`, "announcementId", "type"},
	{`{"announcementId": 1e2}`, "announcementId", "type"},
	{`{"announcementId": 9223372036854775808}`, "announcementId", "type"},
	{`{"announcementId": null}`, "announcementId", "type"},
	{`{"amount": 30.00}`, "amount", "type"},
	{`{"amount": null}`, "amount", "type"},
	{`{"urgent": "true"}`, "urgent", "type"},
	{`{"payer": "x"}`, "payer", "type"},
	{`{"payer": []}`, "payer", "type"},
	{`{"payer": {"code": 7}}`, "payer.code", "type"},
	{`{"payer": {"tags": ["a", 7]}}`, "payer.tags[1]", "type"},
	{`{"payer": {"name": "x"}}`, "payer.name", "unknown"},
	{`{"items": {}}`, "items", "type"},
	{`{"items": [{"code": "1"}, {"kode": "2"}]}`, "items[1].kode", "unknown"},
	{`{"items": [null]}`, "items[0]", "type"},
	{`{"labels": {"a": "1"}}`, "labels.a", "type"},
	{`{"labels": {"a": 1, "a": 1}}`, "labels.a", "duplicate"},
	{`{"labels": []}`, "labels", "type"},
	{`{"through": "tomorrow"}`, "through", "format"},
	{`{"through": "2027-02-30T00:00:00Z"}`, "through", "format"},
	{`{"Amount": "1"}`, "Amount", "unknown"},
	{`{"Hidden": "1"}`, "Hidden", "unknown"},
	{`{"": 1}`, "", "unknown"},
	{`{"amount": "1", "amount": "1"}`, "amount", "duplicate"},
	{`{"extra": {"x": [{"y": 1, "y": 2}]}}`, "extra.x[0].y", "duplicate"},
	{`{"` + strings.Repeat("õ", 40) + `": 1}`, strings.Repeat("õ", 32) + "…", "unknown"},
}

func TestDecodeNamesTheMember(t *testing.T) {
	for _, test := range badMembers {
		got := message{Amount: "before"}
		problem := problemOf(t, rest.Decode(post(test.body), &got))
		require.Equal(t, http.StatusUnprocessableEntity, problem.Status, test.body)
		require.Equal(t, "invalid", problem.Code, test.body)
		require.Len(t, problem.Fields, 1, test.body)
		require.Equal(t, test.path, problem.Fields[0].Path, test.body)
		require.Equal(t, test.rule, problem.Fields[0].Rule, test.body)
		require.NotEmpty(t, problem.Fields[0].Message, test.body)
		require.Equal(t, message{Amount: "before"}, got, test.body)
	}
}

func TestDecodeNamesEveryMember(t *testing.T) {
	problem := problemOf(t, rest.Decode(post(`{"amount": 1, "payer": {"code": 2, "name": 3}, "urgent": 4}`), &message{}))
	require.Equal(t, "invalid (422) amount type, payer.code type, payer.name unknown, urgent type", problem.Error())

	problem = problemOf(t, rest.Decode(post(`{"items": [`+strings.Repeat(`7,`, 5000)+`7]}`), &message{}))
	require.Len(t, problem.Fields, 50)
}

var malformedBodies = []struct{ name, body, detail string }{
	{"empty", ``, "A body is expected."},
	{"white space", ` `, "The body is not one JSON value: see byte 1."},
	{"cut", `{"amount": "1"`, "The body is not one JSON value: see byte 14."},
	{"trailing", `{} {}`, "The body is not one JSON value: see byte 4."},
	{"comma", `{"amount": "1",}`, "The body is not one JSON value: see byte 16."},
	{"NaN", `{"announcementId": NaN}`, "The body is not one JSON value: see byte 20."},
	{"BOM", "\ufeff{}", "The body is not one JSON value: see byte 1."},
	{"control character", "{\"amount\": \"\x01\"}", "The body is not one JSON value: see byte 13."},
	{"latin-1", "{\"amount\": \"\xf5\"}", "The body is not UTF-8."},
	{"encoded surrogate", "{\"amount\": \"\xed\xa0\xbd\"}", "The body is not UTF-8."},
	{"half a pair", `{"amount": "\ud83d"}`, "The text at byte 12 holds half of a character, or the character 0."},
	{"half a pair before another escape", `{"amount": "\ud83d\n"}`, "The text at byte 12 holds half of a character, or the character 0."},
	{"two first halves", `{"amount": "\ud83d\ud83d"}`, "The text at byte 12 holds half of a character, or the character 0."},
	{"second half", `{"amount": "\ude00x"}`, "The text at byte 12 holds half of a character, or the character 0."},
	{"half a pair in a name", `{"\ud83d": 1}`, "The text at byte 2 holds half of a character, or the character 0."},
	{"NUL", `{"amount": "a\u0000"}`, "The text at byte 12 holds half of a character, or the character 0."},
	{"deep", `{"extra": ` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "The body nests deeper than 32 levels."},
	{"bottomless", strings.Repeat("[", 50000), "The body is not one JSON value: see byte 10001."},
}

func TestDecodeMalformed(t *testing.T) {
	for _, test := range malformedBodies {
		problem := problemOf(t, rest.Decode(post(test.body), &message{}))
		require.Equal(t, http.StatusBadRequest, problem.Status, test.name)
		require.Equal(t, "malformed", problem.Code, test.name)
		require.Equal(t, test.detail, problem.Detail, test.name)
	}
}

func TestDecodeDepthLimitIsExact(t *testing.T) {
	body := `{"extra": ` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`
	require.NoError(t, rest.Decode(post(body), &message{}))
}

func TestDecodeMediaType(t *testing.T) {
	for _, test := range []struct {
		contentType, encoding string
		ok                    bool
	}{
		{"application/json", "", true},
		{"Application/JSON; charset=UTF-8", "", true},
		{"application/json", "identity", true},
		{"", "", false},
		{"text/plain", "", false},
		{"application/x-www-form-urlencoded", "", false},
		{"application/json; charset=iso-8859-1", "", false},
		{"application/json; charset", "", false},
		{"application/json", "gzip", false},
	} {
		r := post(`{}`)
		r.Header.Set("Content-Type", test.contentType)
		r.Header.Set("Content-Encoding", test.encoding)
		err := rest.Decode(r, &message{})
		if test.ok {
			require.NoError(t, err, test)
			continue
		}
		problem := problemOf(t, err)
		require.Equal(t, http.StatusUnsupportedMediaType, problem.Status, test)
		require.Equal(t, "unsupported-media-type", problem.Code, test)
	}
}

func TestDecodeOptional(t *testing.T) {
	got := message{Amount: "default"}
	bare := httptest.NewRequest(http.MethodPost, "/", nil)
	require.NoError(t, rest.DecodeOptional(bare, &got))
	require.NoError(t, rest.DecodeOptional(post(`{"urgent": true}`), &got))
	require.Equal(t, message{Amount: "default", Urgent: true}, got)
	require.Error(t, rest.DecodeOptional(post(`{"urgent": 1}`), &got))
}
