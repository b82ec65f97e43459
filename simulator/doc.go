// Package simulator plays the adapter's partners in process: a security server,
// EMTA's payment module behind it, the payer, RIA's Pääsuke with its page, and the AT core application. It
// speaks over real sockets on loopback, for the demo, the simulate command and
// tests, or over InProcess without sockets, for property tests.
//
// It is written from the contracts and the fact sheets (docs: X-Road fact sheet,
// EMTA payment module, Pääsuke's public definition), not from our client, and it reads and writes envelopes
// by itself, so that the two do not share a misreading.
//
// A SecurityServer checks, refuses, forwards and answers as fact sheet §§2.4, 4
// and 5 say, in both directions. EMTA holds orders; the payer's moves are its
// methods or buttons of its payer's page. Paasuke is what a person sees and does on eesti.ee. Core receives events and calls the
// internal API. World starts all of them together. Mischief says what the next
// call does wrong.
//
// Everything is safe for concurrent use. Clock, ids and seed are handed in; with
// the same ones the same calls give the same bytes.
package simulator
