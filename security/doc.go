// Package security is the security log (NA-94): who was let in and who was refused, who changed settings, who
// looked at exchanges. Every event is a line on the log's own logger, with the fixed field log: "security", and a row of
// the store's table security_log.
//
// Record is for what must be kept: it returns once the row is committed. Report is for what others cause: it never waits, and of
// one kind from one address it keeps the first in a minute and then how many there were, so that a flood of
// wrong tokens fills neither the table nor the log. Logger is Report as a *slog.Logger, for packages that know nothing of this one.
//
// A person stands in the row only, as in the audit of orders; the line has a keyed hash instead (docs/divergences.md).
package security
