package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/mask"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The application log (logging §2) is JSON lines of one form: time, level, msg, component and requestId first, then what the
// line is about. A part of the program gets its logger as log.With("component", NAME); its level can be set apart, while the
// program runs. The request id is taken from the context where the line does not give one. Every value is masked, whatever it
// is; an empty text is "-". An error line has the stack, and the request that it is about.

// newLogger writes to w, from level on.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	tallinn, err := time.LoadLocation("Europe/Tallinn")
	if err != nil {
		tallinn = time.UTC // the zones are embedded: package order
	}
	lines := slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug, // which lines are written is decided before
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Value.Kind() == slog.KindTime {
				a.Value = slog.StringValue(a.Value.Time().In(tallinn).Format("2006-01-02T15:04:05.000Z07:00"))
			}
			return a
		},
	})
	return slog.New(&logHandler{lines: lines, levels: newLogLevels(level)})
}

func logLevel(name string) (slog.Level, error) {
	var level slog.Level
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, name) || level.UnmarshalText([]byte(name)) != nil {
		return level, &settingError{"log.level", "must be debug, info, warn or error"}
	}
	return level, nil
}

// logLevels are the levels in force, by component. They may be changed while others log.
type logLevels struct {
	mu         sync.RWMutex
	level      slog.Level
	levels     map[string]slog.Level
	components map[string]bool // that have a logger; whether their level can be set
}

func newLogLevels(level slog.Level) *logLevels {
	return &logLevels{level: level, components: map[string]bool{}}
}

// levelsOf are the levels of a logger of newLogger; another has none that could be changed.
func levelsOf(log *slog.Logger) *logLevels {
	if h, ok := log.Handler().(*logHandler); ok {
		return h.levels
	}
	return newLogLevels(slog.LevelInfo)
}

// set puts levels in force; a name that is no level is passed over.
func (l *logLevels) set(level string, levels map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, err := logLevel(level); err == nil {
		l.level = known
	}
	l.levels = map[string]slog.Level{}
	for component, name := range levels {
		if known, err := logLevel(name); err == nil {
			l.levels[component] = known
		}
	}
}

// securityComponent writes the security log, which no level silences.
const securityComponent = "security"

func (l *logLevels) enabled(component string, level slog.Level) bool {
	if component == securityComponent {
		return true
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if least, ok := l.levels[component]; ok {
		return level >= least
	}
	return level >= l.level
}

func (l *logLevels) add(component string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.components[component] = component != securityComponent
}

// names are the components that have a logger, sorted.
func (l *logLevels) names() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(l.components)) {
		if l.components[name] {
			names = append(names, name)
		}
	}
	return names
}

// logHandler gives a line its form.
type logHandler struct {
	lines     slog.Handler
	levels    *logLevels
	component string
	group     string // prefix of names
	attrs     []slog.Attr
}

var _ slog.Handler = (*logHandler)(nil)

// Enabled is for slog.Handler.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.levels.enabled(h.component, level)
}

// WithAttrs is for slog.Handler. The attribute component names who logs.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		if a.Key == "component" && h.group == "" {
			next.component = a.Value.String()
			h.levels.add(next.component)
			continue
		}
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

// WithGroup is for slog.Handler; the group's name stands before those of its members.
func (h *logHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group = h.group + name + "."
	return &next
}

// Handle is for slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	l := line{requestID: xroadhdr.ExchangeFrom(ctx).RequestID}
	for _, a := range h.attrs {
		l.add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		l.add(a)
		return true
	})
	written := slog.NewRecord(r.Time, r.Level, maskedText("msg", r.Message), 0)
	written.AddAttrs(slog.String("component", orDash(h.component)), slog.String("requestId", orDash(mask.Text(l.requestID))))
	if id := traceID(ctx); id != "" {
		written.AddAttrs(slog.String("traceId", id))
	}
	written.AddAttrs(l.attrs...)
	if r.Level >= slog.LevelError {
		if seen := observedFrom(ctx); seen != nil {
			written.AddAttrs(slog.Any("http", describedRequest(ctx, seen.request)))
		}
		if !l.stack {
			written.AddAttrs(slog.String("stack", callers()))
		}
	}
	return h.lines.Handle(ctx, written)
}

// line collects the attributes of a line, masked.
type line struct {
	requestID string
	stack     bool
	attrs     []slog.Attr
}

func (l *line) add(a slog.Attr) {
	switch a.Value = a.Value.Resolve(); {
	case a.Equal(slog.Attr{}):
		return
	case a.Key == "requestId":
		if text := a.Value.String(); text != "" {
			l.requestID = text
		}
		return
	case a.Key == "stack":
		l.stack = true
	}
	l.attrs = append(l.attrs, masked(a))
}

// masked is the attribute without what may not stand in a log. A value of a type that is not known here is written
// as text, so that masking sees all of it.
func masked(a slog.Attr) slog.Attr {
	switch v := a.Value; v.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindTime:
	case slog.KindInt64, slog.KindUint64:
		if text := v.String(); mask.Text(text) != text { // a personal code is a number, too
			a.Value = slog.StringValue(mask.Text(text))
		}
	case slog.KindGroup:
		members := make([]slog.Attr, 0, len(v.Group()))
		for _, m := range v.Group() {
			m.Value = m.Value.Resolve()
			members = append(members, masked(m))
		}
		a.Value = slog.GroupValue(members...)
	case slog.KindAny:
		a.Value = slog.StringValue(maskedText(a.Key, fmt.Sprintf("%v", v.Any())))
	default:
		a.Value = slog.StringValue(maskedText(a.Key, v.String()))
	}
	return a
}

// maxLogText bounds one value: a stack of a deep call fits.
const maxLogText = 16 << 10

// overlap is more than the longest code, address or token that a cut could halve, so that masking would not know it.
const overlap = 1 << 10

func maskedText(key, text string) string {
	if key == "xroadId" {
		text = idAlone(text)
	}
	return orDash(shortened(mask.Named(key, strings.ToValidUTF8(text[:min(len(text), maxLogText+overlap)], "?")), maxLogText))
}

// word is a run of letters that may be somebody's name: longer than prefixes of ids, and with a letter that hexadecimal has not.
var word = regexp.MustCompile(`(?i)[a-z]*[g-z][a-z]*`)

var plainID = regexp.MustCompile(`^[0-9A-Za-z._:/-]*[0-9][0-9A-Za-z._:/-]*$`)

// idAlone is an X-Road id that looks like one: a partner's free text could be anything, and no masking knows a person's name. It has
// digits, and no word of more than three letters. Of another its owner is found by the request id, in the exchange log, which has it whole.
func idAlone(id string) string {
	if id == "" {
		return ""
	}
	if !plainID.MatchString(id) {
		return hidden
	}
	for _, w := range word.FindAllString(id, -1) {
		if len(w) > 3 {
			return hidden
		}
	}
	return id
}

// shortened is at most so many bytes of a text that is masked already.
func shortened(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// maxFrames of a stack: below lie the server's own.
const maxFrames = 24

// callers is the stack of who logs, a line a call.
func callers() string {
	pcs := make([]uintptr, maxFrames+8)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var b strings.Builder
	for n := 0; n < maxFrames; {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "log/slog.") {
			b.WriteString(frame.Function + " " + frame.File[strings.LastIndex(frame.File, "/")+1:] + ":" + strconv.Itoa(frame.Line) + "\n")
			n++
		}
		if !more {
			break
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shownFields are header fields that hold neither secrets nor persons, as long as they hold what they should; of all others, and of what
// whoever calls may write freely, as User-Agent, only the name is logged: no masking knows a person's name.
var shownFields = map[string]*regexp.Regexp{
	"Accept": mediaTypes, "Accept-Encoding": mediaTypes, "Connection": oneWord, "Content-Encoding": oneWord, "Content-Length": oneWord, "Content-Type": mediaTypes,
	"If-Match": oneWord, "Traceparent": oneWord, "Transfer-Encoding": oneWord, "X-Road-Client": oneWord, "X-Road-Request-Hash": oneWord,
	"X-Road-Security-Server": oneWord, "X-Road-Service": oneWord,
}

var (
	oneWord    = regexp.MustCompile(`^[!-~]*$`)
	mediaTypes = regexp.MustCompile(`^[!-~]*([;,] ?[!-~]*)*$`)
)

const (
	maxShownFields = 50
	maxShownValue  = 200
)

// describedRequest is the request line, with the route's pattern for the path, which may hold personal codes (logging §2),
// and the header without secrets.
func describedRequest(ctx context.Context, r *http.Request) slog.Value {
	fields := []slog.Attr{}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if len(fields) == maxShownFields {
			break
		}
		value := hidden
		if form := shownFields[name]; form != nil && form.MatchString(strings.Join(r.Header[name], ",")) {
			value = shortened(maskedText(name, strings.Join(r.Header[name], ", ")), maxShownValue)
		}
		fields = append(fields, slog.String(shortened(maskedText("name", name), maxShownValue), value))
	}
	return slog.GroupValue(slog.String("request", clipped(r.Method)+" "+orDash(xroadhdr.ExchangeFrom(ctx).Route)+" "+r.Proto),
		slog.Attr{Key: "header", Value: slog.GroupValue(fields...)})
}
