package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"ametlikudteadaanded.ee/adapter/rest"
)

func ExampleNewEndpoint() {
	type greeting struct {
		Name string `json:"name"`
	}
	greet := rest.Route{Method: "POST", Path: "/greetings", Serve: func(r *http.Request) (rest.Answer, error) {
		var g greeting
		if err := rest.Decode(r, &g); err != nil {
			return rest.Answer{}, err
		}
		if g.Name == "" {
			return rest.Answer{}, rest.Invalid(rest.Field{Path: "name", Rule: "required", Message: "must be given"})
		}
		return rest.Answer{Status: http.StatusCreated, Body: g}, nil
	}}
	endpoint := rest.NewEndpoint(rest.EndpointOptions{NewID: func() string { return "1" }}, greet)

	for _, body := range []string{`{"name": "Mari"}`, `{"name": 7}`, `{}`} {
		r := httptest.NewRequest("POST", "/greetings", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		endpoint.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 201 {"name":"Mari"}
	// 422 {"status":422,"code":"invalid","title":"Invalid request","fields":[{"path":"name","rule":"type","message":"must be a string"}],"requestId":"1"}
	// 422 {"status":422,"code":"invalid","title":"Invalid request","fields":[{"path":"name","rule":"required","message":"must be given"}],"requestId":"1"}
}
