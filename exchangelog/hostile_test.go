package exchangelog_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// hostileValues are what the other side may write into anything that it controls.
var hostileValues = []string{
	"line\nbreak", "carriage\rreturn\r\n", "nul\x00", "\x1b[31mred\x1b[0m", "bell\a", "\x7fdelete", "\u0085next\u2028line\u2029paragraph",
	"\xff\xfe invalid \xc3\x28", "\u202eright to left", "\ufefforder mark", `","hash":"0000"}`, `{"seal":{"stream":"emta/r1/request"}}`,
	`"quotes" and \ backslashes \u0000`, "-", "", strings.Repeat("x", 1<<20), strings.Repeat("\n", 1<<16), "base64:QQ==", "õäöü 🙂", "\U000e0001tag",
}

// Every line stays one line of valid JSON with the members in their places, whatever the other side sends.
func TestHostileValues(t *testing.T) {
	for _, body := range []exchangelog.BodyMode{exchangelog.Full, exchangelog.Masked, exchangelog.Digest} {
		folder := t.TempDir()
		o := options(folder)
		o.Systems["emta"] = files(exchangelog.Required, body)
		log := open(t, o)
		var value string
		handler := log.Handler("emta", exchangelog.REST, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			exchange := xroadhdr.ExchangeFrom(r.Context())
			exchange.XRoadID, exchange.Issue, exchange.Fault = value, value, value
			exchange.Client = xroadhdr.ClientID{Instance: value, MemberClass: value, MemberCode: value, SubsystemCode: value}
			exchange.Service = xroadhdr.ServiceID{Instance: value, MemberClass: value, MemberCode: value, SubsystemCode: value, ServiceCode: value, ServiceVersion: value}
			_, _ = io.WriteString(w, value)
		}))
		for _, value = range hostileValues {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(value))
			r.Method, r.RequestURI = value, value
			r.Header.Set("User-Agent", value)
			r.Header.Set("Content-Type", value)
			r.Header.Set("X-Road-UserId", value)
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		closeLog(t, log)
		for _, part := range []string{"request", "response"} {
			kept := lines(t, folder, "emta", part)
			require.Len(t, kept, len(hostileValues))
			for i, line := range kept {
				require.True(t, json.Valid([]byte(line)))
				require.True(t, utf8.ValidString(line))
				require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool {
					return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
				}))
				r, err := exchangelog.ParseRecord([]byte(line))
				require.NoError(t, err, "%.300s", line)
				require.LessOrEqual(t, len(r.XRoadID), 300)
				require.LessOrEqual(t, len(r.Client), 300)
				require.LessOrEqual(t, len(r.Path), 2100)
				require.Equal(t, int64(len(hostileValues[i])), r.Size)
				if body == exchangelog.Full && utf8.ValidString(hostileValues[i]) && !strings.HasPrefix(hostileValues[i], "base64:") && hostileValues[i] != "-" {
					require.Equal(t, hostileValues[i], r.Body, "a body is kept exactly")
				}
			}
		}
		report := verify(t, folder, exchangelog.VerifyOptions{})
		require.False(t, report.Wrong(), "%s", text(t, report))
	}
}

// Estonian time has its offset, and goes through both changes of the clock without a step back that the offset does not tell.
func TestTimes(t *testing.T) {
	for _, test := range []struct{ utc, want, day string }{
		{"2026-03-29T00:59:59.999Z", "2026-03-29T02:59:59.999+02:00", "2026-03-29"},
		{"2026-03-29T01:00:00Z", "2026-03-29T04:00:00.000+03:00", "2026-03-29"},
		{"2026-10-25T00:30:00Z", "2026-10-25T03:30:00.000+03:00", "2026-10-25"},
		{"2026-10-25T01:30:00Z", "2026-10-25T03:30:00.000+02:00", "2026-10-25"},
		{"2026-12-31T21:59:59Z", "2026-12-31T23:59:59.000+02:00", "2026-12-31"},
		{"2026-12-31T22:00:00Z", "2027-01-01T00:00:00.000+02:00", "2027-01-01"},
		{"2026-06-30T21:00:00Z", "2026-07-01T00:00:00.000+03:00", "2026-07-01"},
	} {
		at, err := time.Parse(time.RFC3339, test.utc)
		require.NoError(t, err)
		require.Equal(t, test.day, exchangelog.Day(at))
		folder := t.TempDir()
		o := options(folder)
		o.Now = func() time.Time { return at }
		log := open(t, o)
		exchange(log, 1)
		closeLog(t, log)
		require.Contains(t, lines(t, folder, "emta", "request")[0], `{"time":"`+test.want+`",`)
		require.Contains(t, segments(t, folder, "emta", "request")[0], "/emta/"+test.day+"/")
		r := records(t, folder, "emta", "request")[0]
		require.True(t, r.Time.Equal(at))
	}
}

// A day that ends while the log is written ends its segments.
func TestDayEnds(t *testing.T) {
	folder := t.TempDir()
	at := time.Date(2026, 10, 25, 21, 59, 59, 0, time.UTC) // of a day of 25 hours
	clock := newClock(at)
	o := options(folder)
	o.Now = clock.now
	log := open(t, o)
	exchange(log, 2)
	clock.set(at.Add(time.Second))
	exchange(log, 2)
	closeLog(t, log)
	paths := segments(t, folder, "emta", "request")
	require.Len(t, paths, 2)
	require.Contains(t, paths[0], "/2026-10-25/")
	require.Contains(t, paths[1], "/2026-10-26/")
	report := verify(t, folder, exchangelog.VerifyOptions{})
	require.False(t, report.Wrong(), "%s", text(t, report))
}

// FuzzParseRecord holds that what is read as a record is one line of JSON, and that no line is read that is not.
func FuzzParseRecord(f *testing.F) {
	folder := f.TempDir()
	log := open(f, options(folder))
	exchange(log, 1)
	closeLog(f, log)
	for _, part := range []string{"request", "response"} {
		for _, line := range lines(f, folder, "emta", part) {
			f.Add([]byte(line))
			f.Add([]byte(strings.Replace(line, `"seq":1`, `"seq":"-"`, 1)))
			f.Add([]byte(line + line))
		}
	}
	f.Add([]byte(`{"seal":{},"signature":"-"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, _ = exchangelog.ParseSeal(line)
		r, err := exchangelog.ParseRecord(line)
		if err != nil {
			return
		}
		require.True(t, json.Valid(line))
		require.Positive(t, r.Seq)
		require.Len(t, r.Hash, 64)
		require.False(t, r.Time.IsZero())
	})
}
