// Package rest is HTTP and JSON as the adapter speaks them: an endpoint that serves
// routes, a provider whose operations X-Road calls, and a sender that posts, or calls over X-Road.
//
// A Route is one operation; its handler reads the request with Decode and Query and
// returns an Answer or an error. NewEndpoint turns routes into an http.Handler and is the only place
// where an error becomes an answer: a Problem is sent as it is, anything else as 500 without its text.
// Every answer carries the request id that the logs carry, whatever went wrong (design §5).
//
// Reading is strict: a body must be one JSON object in UTF-8, with no member twice, none unknown and
// none of another type, within the limits of size and depth. What is refused is named by its path.
//
// NewProvider is the endpoint of a REST service behind a security server (fact sheet §6): it reads the X-Road header first, answers
// errors as a list of problems, and passes over members that it does not know (DecodeOpen, QueryOpen). Sender.Call is the other side:
// what a security server could not do is a ServerError, anything else is the provider's answer.
//
// Tokens names the caller of the internal API (design §6); an endpoint without it is for whoever
// reaches the listener. The package knows nothing of the operations that it carries.
package rest
