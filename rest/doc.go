// Package rest is HTTP and JSON as the adapter speaks them: an endpoint that serves
// routes, and a sender that posts.
//
// A Route is one operation; its handler reads the request with Decode and Query and
// returns an Answer or an error. NewEndpoint turns routes into an http.Handler and is the only place
// where an error becomes an answer: a Problem is sent as it is, anything else as 500 without its text.
// Every answer carries the request id that the logs carry, whatever went wrong (design §5).
//
// Reading is strict: a body must be one JSON object in UTF-8, with no member twice, none unknown and
// none of another type, within the limits of size and depth. What is refused is named by its path.
//
// Tokens names the caller of the internal API (design §6); an endpoint without it is for whoever
// reaches the listener. The package knows nothing of the operations that it carries.
package rest
