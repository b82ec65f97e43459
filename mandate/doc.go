// Package mandate is about who may act for whom at AT: mandates that a representee gives to a delegate, at AT itself or through
// Pääsuke, RIA's mandates system behind eesti.ee, which lists and changes them over X-Road.
//
// A [Mandate] is a row of the core's and what the core has no place for: whether it waits for its first day, whom it was passed
// on from, who added it and on what authorization. [Mandate.State] is what it amounts to on a day. A [Store] keeps mandates; all
// of a representee's are changed under one lock, so that a decision sees them as they are. The rules (rules.go, right.go,
// settle.go) are functions without clock and I/O: they are shown a [View] and say in a [Change] what is to be written.
//
// A [Module] is what the rest of the program talks to: Pääsuke's operations, the nightly work, and the internal API.
//
// Three promises:
//   - only what is waiting is ever activated by night: a mandate that was switched off or ended never comes back by itself;
//   - what was passed on ends with what it was passed on from, in the same transaction;
//   - every change is an event to the core, and who made it on whose behalf and on what grounds is kept.
//
// Sections named Pääsuke §n are those of the mandates specification; AT-PAASUKE-… are requirement ids. docs/states.md draws
// the states.
package mandate
