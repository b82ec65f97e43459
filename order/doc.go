// Package order is about card payment orders at EMTA's payment module: it asks EMTA for
// them, keeps what EMTA says of them, serves EMTA's notifications, and tells the core.
//
// An [Order] is our row and what EMTA last said. A [Store] keeps orders; every change is
// one transaction that writes the order, its log and the events together. The rules
// (rules.go, start.go's nextStep, schedule.go, belongs.go) are functions without I/O: they
// are shown rows and answers and say what is to be written.
//
// A [Module] is EMTA's payment module as the rest of the program sees it. Whoever calls
// EMTA about an order holds that order's lease, so that a poll, a notification and an
// operator never do it at once, on any replica. What an answer means is decided in the
// transaction that writes it, on the row as it is then.
//
// Three promises:
//   - the row is committed before cpgOrderInit is sent, and an outcome that is not known
//     leaves it Creating until EMTA itself has told;
//   - a notification is committed before EMTA gets its answer;
//   - polling alone suffices: nothing depends on EMTA notifying at all.
//
// Sections named EMTA §n are those of the payment module's specification; AT-CC-… are
// requirement ids. docs/states.md draws the states.
package order
