package exchangelog

import (
	"fmt"
	"slices"
)

// BodyMode says what is kept of a body.
type BodyMode string

// The three modes.
const (
	Full   BodyMode = "full"   // as it passed
	Masked BodyMode = "masked" // without personal codes, e-mails, secrets and what is configured
	Digest BodyMode = "digest" // nothing but its SHA-256
)

// Mode says what happens to an exchange whose record cannot be kept.
type Mode string

// The two modes.
const (
	Required   Mode = "required"    // it is refused
	BestEffort Mode = "best-effort" // it goes on; the failure is counted and told
)

// Settings are how one system is logged; they can change while running.
type Settings struct {
	Sinks []string // names, without order: files, tables, stdout; none: the system is not logged
	Body  BodyMode
	Mode  Mode
}

// Off reports whether nothing is logged.
func (s Settings) Off() bool { return len(s.Sinks) == 0 }

// String is the settings in words, for the record of a switch.
func (s Settings) String() string {
	if s.Off() {
		return "off"
	}
	return fmt.Sprintf("%v, body %s, %s", s.Sinks, s.Body, s.Mode)
}

// check returns s with its sinks in one order. known are the sinks that there are.
func (s Settings) check(system string, known func(string) bool) (Settings, error) {
	if !systemName(system) {
		return s, fmt.Errorf("system %q: must be of lower-case letters, digits and hyphens", system)
	}
	s.Sinks = slices.Clone(s.Sinks)
	slices.Sort(s.Sinks)
	s.Sinks = slices.Compact(s.Sinks)
	for _, name := range s.Sinks {
		if !known(name) {
			return s, fmt.Errorf("sinks of %s: there is no sink %q here", system, name)
		}
	}
	if s.Off() {
		return s, nil
	}
	if s.Body != Full && s.Body != Masked && s.Body != Digest {
		return s, fmt.Errorf("body of %s: must be full, masked or digest", system)
	}
	if s.Mode != Required && s.Mode != BestEffort {
		return s, fmt.Errorf("mode of %s: must be required or best-effort", system)
	}
	return s, nil
}
