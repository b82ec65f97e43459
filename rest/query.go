package rest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"
)

// Query returns the query parameters of the request, of which only the named ones may be there, each once
// and in UTF-8. The error is a *Problem.
func Query(r *http.Request, names ...string) (url.Values, error) {
	return query(r, func(name string, repeated bool) (rule, message string) {
		switch {
		case !slices.Contains(names, name):
			return ruleUnknown, "is not a parameter here"
		case repeated:
			return ruleDuplicate, "may be given once"
		}
		return "", ""
	})
}

// QueryOpen returns the query parameters of a request to a service that X-Road calls, in UTF-8: those named in single
// once at most, others as often as they come; unknown ones are passed over. The error is a *Problem, 400.
func QueryOpen(r *http.Request, single ...string) (url.Values, error) {
	values, err := query(r, func(name string, repeated bool) (rule, message string) {
		if repeated && slices.Contains(single, name) {
			return ruleDuplicate, "may be given once"
		}
		return "", ""
	})
	return values, malformedFields(err)
}

// query returns the parameters, of which check says what is wrong with one by its name.
func query(r *http.Request, check func(name string, repeated bool) (rule, message string)) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("The query string is not well formed.", err)
	}
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(values)) {
		rule, message := check(name, len(values[name]) > 1)
		if rule == "" && !slices.ContainsFunc(values[name], func(v string) bool { return !utf8.ValidString(v) }) {
			continue
		}
		if rule == "" {
			rule, message = ruleFormat, "must be UTF-8"
		}
		fields = append(fields, Field{Path: shortened(name), Rule: rule, Message: message})
	}
	if fields != nil {
		return nil, Invalid(fields[:min(len(fields), maxFields)]...)
	}
	return values, nil
}
