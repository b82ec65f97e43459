package exchangelog

import (
	"strconv"
	"time"
	_ "time/tzdata" // Estonian time wherever the program runs
)

// Direction says who called whom. Both records of an exchange have the same.
type Direction string

// The two directions.
const (
	In  Direction = "in"  // the other system called us
	Out Direction = "out" // we called it
)

// Record is one message. The order of its fields is that of the line's members (logging §1). An empty text is written as "-",
// and so is a number below zero, which is not known.
type Record struct {
	Time      time.Time // when the exchange began for a request, when it was over for a response
	System    string
	Direction Direction
	Part      Part
	RequestID string // ours; one an exchange, also in the application log
	XRoadID   string
	Client    string
	Service   string
	Issue     string
	Protocol  string // soap or rest; log for a Note
	Method    string
	Path      string // with the query; masked where the body is
	Status    int    // of a response; negative: there was none
	Fault     string // fault or problem code; of a call without an answer the kind of failure
	Duration  time.Duration
	Size      int64 // of the body as it passed, in bytes
	Replica   string
	Seq       int64  // from 1, one more with each record of a stream
	KeyID     string // of the data key that Body is encrypted with
	Digest    string // member bodySha256: of the body as it passed, lower-case hex; empty when not all of it passed, and where Body is encrypted
	Body      string // text as it is, else base64: and Base64; encrypted: Base64 of what Keys.Open reads
	Hash      string // lower-case hex
}

// Stream is the stream that the record belongs to.
func (r *Record) Stream() Stream { return Stream{r.System, r.Replica, r.Part} }

// Place is where the record stands among those of all streams.
func (r *Record) Place() TablePlace { return TablePlace{r.Time, r.Stream(), r.Seq} }

// timeFormat has milliseconds and always a numeric offset, which tells the two hours apart that the clock passes twice in October.
const timeFormat = "2006-01-02T15:04:05.000-07:00"

// tallinn is where the day of a folder and the time of a record are of.
var tallinn = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Tallinn")
	if err != nil {
		panic(err) // embedded above
	}
	return zone
}()

// Day is the Estonian day of t, as folders are named.
func Day(t time.Time) string { return t.In(tallinn).Format(time.DateOnly) }

// draft is a line but for what only its stream knows, the number and the hash.
type draft struct {
	text    []byte // from { to the body's closing quote, the number left out
	seqAt   int    // where the number belongs
	time    time.Time
	id      string // request id
	xroadID string
}

// newDraft writes r's line without number and hash. The same record gives the same bytes always.
func newDraft(r *Record) *draft {
	b := make([]byte, 0, 512+len(r.Body)+len(r.Body)/8)
	b = append(b, `{"time":"`...)
	b = r.Time.In(tallinn).AppendFormat(b, timeFormat)
	b = append(b, '"')
	b = appendMember(b, "system", r.System)
	b = appendMember(b, "direction", string(r.Direction))
	b = appendMember(b, "part", string(r.Part))
	b = appendMember(b, "requestId", clean(r.RequestID, maxValue))
	b = appendMember(b, "xroadId", clean(r.XRoadID, maxValue))
	b = appendMember(b, "client", clean(r.Client, maxValue))
	b = appendMember(b, "service", clean(r.Service, maxValue))
	b = appendMember(b, "issue", clean(r.Issue, maxValue))
	b = appendMember(b, "protocol", r.Protocol)
	b = appendMember(b, "method", clean(r.Method, maxMethod))
	b = appendMember(b, "path", clean(r.Path, maxPath))
	b = appendNumber(b, "status", int64(r.Status))
	b = appendMember(b, "fault", clean(r.Fault, maxValue))
	b = appendNumber(b, "durationMs", milliseconds(r.Duration))
	b = appendNumber(b, "size", r.Size)
	b = appendMember(b, "replica", r.Replica)
	b = append(b, `,"seq":`...)
	at := len(b)
	b = appendMember(b, "keyId", r.KeyID)
	b = appendMember(b, "bodySha256", r.Digest)
	b = appendMember(b, "body", r.Body)
	return &draft{text: b, seqAt: at, time: r.Time, id: clean(r.RequestID, maxValue), xroadID: clean(r.XRoadID, maxValue)}
}

// empty stands for what is not there or not known.
const empty = "-"

func appendMember(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":`...)
	if value == "" {
		value = empty
	}
	return appendString(b, value)
}

func appendNumber(b []byte, name string, n int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":`...)
	if n < 0 {
		return append(b, `"-"`...)
	}
	return strconv.AppendInt(b, n, 10)
}

// milliseconds is negative for every duration that is.
func milliseconds(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}
