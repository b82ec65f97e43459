package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and commit are set by the linker in a release (make release, deploy/Dockerfile). Elsewhere the commit is what the Go
// tool saw.
var (
	version = "dev"
	commit  = ""
)

// build says which program this is.
type build struct {
	Version string
	Commit  string // "" where nobody knows; "+changes" behind it: the tree was not clean
	Go      string
}

func thisBuild() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if b.Commit != "" || !ok {
		return b
	}
	var changed bool
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			changed = s.Value == "true"
		}
	}
	if b.Commit != "" && changed {
		b.Commit += "+changes"
	}
	return b
}

// String is what --version prints.
func (b build) String() string {
	at := b.Commit
	if at == "" {
		at = "commit unknown"
	}
	return fmt.Sprintf("adapter %s (%s, %s)", b.Version, at, b.Go)
}
