package rest

import (
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"
)

// Query returns the query parameters of the request, of which only the named ones may be there, each once
// and in UTF-8. The error is a *Problem.
func Query(r *http.Request, names ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("The query string is not well formed.", err)
	}
	given := make([]string, 0, len(values))
	for name := range values {
		given = append(given, name)
	}
	slices.Sort(given)
	var fields []Field
	for _, name := range given {
		switch {
		case !slices.Contains(names, name):
			fields = append(fields, Field{Path: shortened(name), Rule: ruleUnknown, Message: "is not a parameter here"})
		case len(values[name]) > 1:
			fields = append(fields, Field{Path: name, Rule: ruleDuplicate, Message: "may be given once"})
		case !utf8.ValidString(values[name][0]):
			fields = append(fields, Field{Path: name, Rule: ruleFormat, Message: "must be UTF-8"})
		}
	}
	if fields != nil {
		return nil, Invalid(fields[:min(len(fields), maxFields)]...)
	}
	return values, nil
}
