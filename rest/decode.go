package rest

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
)

// Rules that reading itself finds broken.
const (
	ruleType      = "type"
	ruleFormat    = "format"
	ruleUnknown   = "unknown"
	ruleDuplicate = "duplicate"
	ruleRequired  = "required" // a header field that is missing
)

// Decode reads the JSON body into v, a pointer to a struct, strictly: declared as application/json, UTF-8, one object and
// nothing after it, no member twice, none unknown (names are compared exactly), right types; null only where the
// Go type can hold it. The error is a *Problem: 400 "malformed", 413 "too-large", 415, or 422 "invalid" that
// names every wrong member by its path. With an error v is unchanged.
func Decode(r *http.Request, v any) error {
	body, err := read(r)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return malformed("A body is expected.", nil)
	}
	return decode(r, body, v, checkMembers)
}

// DecodeOpen is Decode for services that X-Road calls: members that are not known are passed over, for the contract may
// have grown, but one that differs from a known name in case only is refused; and what is wrong with members is 400.
func DecodeOpen(r *http.Request, v any) error {
	body, err := read(r)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return malformed("A body is expected.", nil)
	}
	return malformedFields(decode(r, body, v, checkKnownMembers))
}

// DecodeOptional is Decode for an operation whose body may be left out: then v stays as it is.
func DecodeOptional(r *http.Request, v any) error {
	body, err := read(r)
	if err != nil || len(body) == 0 {
		return err
	}
	return decode(r, body, v, checkMembers)
}

func read(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge, Title: "Body too large", Err: err}
	case err != nil:
		return nil, malformed("The body could not be read to its end.", err)
	}
	return body, nil
}

func decode(r *http.Request, body []byte, v any, check func(body []byte, v any) []Field) error {
	if err := checkMediaType(r.Header); err != nil {
		return err
	}
	if err := checkSyntax(body); err != nil {
		return err
	}
	if fields := check(body, v); fields != nil {
		return Invalid(fields...)
	}
	target := reflect.ValueOf(v).Elem()
	whole := reflect.New(target.Type())
	whole.Elem().Set(target)
	if err := json.Unmarshal(body, whole.Interface()); err != nil {
		return malformed("The body is not what the operation expects.", err)
	}
	target.Set(whole.Elem())
	return nil
}

func checkMediaType(h http.Header) error {
	mediaType, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := parameters["charset"]
	coding := h.Get("Content-Encoding")
	if err != nil || mediaType != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") ||
		coding != "" && !strings.EqualFold(coding, "identity") {
		return &Problem{Status: http.StatusUnsupportedMediaType, Code: codeMediaType, Title: "Unsupported media type",
			Detail: "Content-Type must be application/json, in UTF-8 and not compressed.", Err: err}
	}
	return nil
}
