package main

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the pages that are made from the code")

// The committed reference and schema are what the struct gives.
func TestSettingsReference(t *testing.T) {
	page, err := settingsReference()
	require.NoError(t, err)
	schema, err := settingsSchema()
	require.NoError(t, err)
	for path, made := range map[string]string{"../docs/settings.md": page, "../docs/settings.schema.json": string(schema)} {
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(made), 0o644))
		}
		committed, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(committed), made, "the settings have changed: go test ./adapter -run TestSettingsReference -update")
	}
}

// Every key, those of list elements too, is described, and stands in settings.go, where the descriptions are read.
func TestSettingsAreDescribed(t *testing.T) {
	comments, err := settingComments()
	require.NoError(t, err)
	var check func(reflect.Type)
	check = func(section reflect.Type) {
		for i := range section.NumField() {
			field := section.Field(i)
			name := section.Name() + "." + field.Name
			require.Contains(t, comments, name, "settings types stand in settings.go")
			require.NotEmpty(t, yamlName(field), name)
			require.NotEmpty(t, wanted(field.Type), name)
			inner := field.Type
			if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				inner = inner.Elem()
			}
			if isSection(inner) {
				check(inner)
			}
			if !isSection(field.Type) {
				require.NotEmpty(t, comments[name], "%s has no comment: it is the reference's text", name)
				require.NotContains(t, comments[name], "|", "%s: the reference is a table", name)
			}
		}
	}
	check(settingsType)
}

// No two settings have one variable, and none has a name that is taken for a file's.
func TestEnvironmentNamesAreApart(t *testing.T) {
	seen := map[string]string{}
	for _, k := range keysOf(new(Settings)) {
		require.Empty(t, seen[k.variable()], k.path)
		require.False(t, notOurs.MatchString(k.variable()), k.path)
		seen[k.variable()] = k.path
	}
	for name := range seen {
		require.Empty(t, seen[name+"_FILE"], name)
	}
}

// The schema speaks of the same keys as the struct.
func TestSchemaHasEveryKey(t *testing.T) {
	text, err := settingsSchema()
	require.NoError(t, err)
	var root schema
	require.NoError(t, json.Unmarshal(text, &root))
	for _, k := range keysOf(new(Settings)) {
		at := &root
		for _, name := range strings.Split(k.path, ".") {
			require.Equal(t, false, at.Additional, k.path)
			at = at.Properties[name]
			require.NotNil(t, at, k.path)
		}
		require.NotEmpty(t, at.Type, k.path)
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"timeuot": "timeout", "Timeout": "timeout", "servce": "service", "sevrice": "service", "x": "", "verzion": "version", "": ""} {
		require.Equal(t, want, nearest(name, []string{"timeout", "service", "version"}), name)
	}
}

// Whatever a file holds, reading it ends in settings that pass their check or in an error that says where.
func FuzzSettingsFile(f *testing.F) {
	for _, seed := range []string{"", "store: x", "emta: {sync: {delays: [1s]}}", "core:\n  tokens:\n  - {name: a}\n", "a: &b [*b]", "? [a]\n: b", "<<: {store: x}",
		"--- \n...\n---\nx", "listen: {xroad: !!binary aGVq}", "core: {tokens: [null, {expires: 2030-01-01T00:00:00Z}]}", "\tx", "xroad: {allowedClients: [1, 2.5, true]}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := reading{Settings: defaultSettings(), origins: map[string]string{}}
		err := decodeSettings("file", []byte(text), &r)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "file"), err)
			return
		}
		for path, origin := range r.origins {
			require.True(t, strings.HasPrefix(origin, "file, line "), path)
		}
		_ = r.check() // refuses or not, and does not panic
	})
}
