package rest

import (
	"net/http"
	"regexp"
)

// Route is one operation of an endpoint. Serve may run for many requests at once; the error that it
// returns becomes the answer: a *Problem as it is, any other 500 "internal". A route for GET also
// answers HEAD.
type Route struct {
	Method string
	Path   string // e.g. "/api/v1/orders/{id}"; parameters by r.PathValue("id"), unescaped
	Scope  string // what the caller's token must allow, e.g. "orders"; "" for none
	Serve  func(r *http.Request) (Answer, error)
}

// Answer is a handler's success. A nil Body sends none.
type Answer struct {
	Status int // 0: 200
	Body   any // written as JSON
	Header http.Header
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// routerPath is the path as gin writes it, ":p" for "{id}": two routes of gin may not call one place differently.
func (r Route) routerPath() string { return pathParameter.ReplaceAllString(r.Path, ":p") }

// parameters are the names of the path's parameters, in its order.
func (r Route) parameters() []string {
	var names []string
	for _, m := range pathParameter.FindAllStringSubmatch(r.Path, -1) {
		names = append(names, m[1])
	}
	return names
}

// methods are those that the route answers.
func (r Route) methods() []string {
	if r.Method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.Method}
}
