package setting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// scope is what a token must allow.
const scope = "settings"

// mediaMergePatch is the body's type by RFC 7396; plain JSON is taken as well.
const mediaMergePatch = "application/merge-patch+json"

// Routes are the settings' part of the internal API: GET and PATCH /api/v1/settings (design §8).
func (r *Running) Routes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/api/v1/settings", Scope: scope, Serve: r.get},
		{Method: http.MethodPatch, Path: "/api/v1/settings", Scope: scope, Serve: r.patch},
	}
}

// answer is what the internal API shows.
type answer struct {
	Version   int64           `json:"version"`
	Settings                  // in force on the replica that answers
	Changes   json.RawMessage `json:"changes"` // what differs from the settings file by a change
	ChangedAt string          `json:"changedAt,omitempty"`
	ChangedBy string          `json:"changedBy,omitempty"`
}

func (r *Running) get(request *http.Request) (rest.Answer, error) {
	if _, err := rest.Query(request); err != nil {
		return rest.Answer{}, err
	}
	return r.answer(), nil
}

func (r *Running) answer() rest.Answer {
	settings, stored := r.Current()
	a := answer{Version: stored.Version, Settings: settings, Changes: json.RawMessage(`{}`)}
	if stored.Version > 0 {
		a.Changes, a.ChangedAt, a.ChangedBy = stored.Changes, stored.At.UTC().Format(time.RFC3339), stored.By
	}
	return rest.Answer{Body: a, Header: http.Header{"Etag": {fmt.Sprintf("%q", strconv.FormatInt(stored.Version, 10))}}}
}

// patchBody is the form of a patch, for names and types; null takes a change back, so everything may be null.
type patchBody struct {
	Log *struct {
		Level   *string                `json:"level"`
		Levels  map[string]*string     `json:"levels"`
		Systems map[string]*patchEntry `json:"systems"`
	} `json:"log"`
}

type patchEntry struct {
	Sinks []string `json:"sinks"`
	Body  *string  `json:"body"`
	Mode  *string  `json:"mode"`
}

func (r *Running) patch(request *http.Request) (rest.Answer, error) {
	if _, err := rest.Query(request); err != nil {
		return rest.Answer{}, err
	}
	if request.Header.Get("X-Acting-User") == "" {
		return rest.Answer{}, rest.Invalid(rest.Field{Path: "X-Acting-User", Rule: "required", Message: "must name the person who changes settings"})
	}
	expected, err := ifMatch(request)
	if err != nil {
		return rest.Answer{}, err
	}
	patch, err := readPatch(request)
	if err != nil {
		return rest.Answer{}, err
	}
	switch _, err := r.Change(request.Context(), patch, rest.ActingUser(request), expected); {
	case errors.Is(err, errStale), errors.Is(err, ErrConflict):
		return rest.Answer{}, &rest.Problem{Status: http.StatusPreconditionFailed, Code: "changed-meanwhile", Title: "The settings were changed meanwhile.",
			Detail: "Read them again and decide anew.", Err: err}
	case err != nil:
		return rest.Answer{}, err
	}
	return r.answer(), nil
}

// readPatch returns the body once its names and types are right.
func readPatch(request *http.Request) ([]byte, error) {
	if mediaType, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err == nil && mediaType == mediaMergePatch {
		request.Header.Set("Content-Type", "application/json")
	}
	var body bytes.Buffer
	request.Body = io.NopCloser(io.TeeReader(request.Body, &body))
	if err := rest.Decode(request, new(patchBody)); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

var entityTag = regexp.MustCompile(`^"([0-9]{1,18})"$`)

// ifMatch is the version that the caller decided from, -1 if it does not say.
func ifMatch(request *http.Request) (int64, error) {
	values := request.Header.Values("If-Match")
	if len(values) == 0 {
		return -1, nil
	}
	tag := entityTag.FindStringSubmatch(values[0])
	if len(values) > 1 || tag == nil {
		return 0, rest.Invalid(rest.Field{Path: "If-Match", Rule: "format", Message: "must be the ETag of the settings that the change is made from"})
	}
	return strconv.ParseInt(tag[1], 10, 64)
}
