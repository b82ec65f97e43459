package setting

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Known is what may be changed.
type Known struct {
	File       Settings // as the settings file has them; its systems are all that there are
	Components []string // those that write to the application log
}

// change applies a JSON merge patch (RFC 7396) to stored changes and returns the new ones with what they make different.
// The error is a *rest.Problem that names every field that is wrong.
func (k Known) change(stored, patch []byte) (changes []byte, steps []Step, err error) {
	merged, err := merge(stored, patch)
	if err != nil {
		return nil, nil, err
	}
	before, err := readChanges(stored)
	if err != nil {
		return nil, nil, err
	}
	after, err := readChanges(merged)
	if err != nil {
		return nil, nil, err
	}
	// What was stored by a version that knew more is nobody's fault now.
	old := k.check(before)
	fields := slices.DeleteFunc(k.check(after), func(f rest.Field) bool { return slices.Contains(old, f) })
	if len(fields) > 0 {
		return nil, nil, rest.Invalid(fields[:min(len(fields), maxFields)]...)
	}
	return merged, differences(k.File.With(before), k.File.With(after)), nil
}

// readChanges reads what is stored; members that this version does not know are passed over.
func readChanges(stored []byte) (Changes, error) {
	var c Changes
	if len(stored) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(stored, &c); err != nil {
		return Changes{}, fmt.Errorf("settings: read the stored changes: %w", err)
	}
	return c, nil
}

// merge is RFC 7396 on JSON: members of an object replace one by one, null removes, anything else replaces whole.
// Objects that become empty are removed, since they change nothing.
func merge(target, patch []byte) ([]byte, error) {
	var p map[string]json.RawMessage
	if !isObject(patch) {
		return patch, nil
	}
	if err := json.Unmarshal(patch, &p); err != nil {
		return nil, err
	}
	t := map[string]json.RawMessage{}
	if isObject(target) {
		if err := json.Unmarshal(target, &t); err != nil {
			return nil, err
		}
	}
	for name, value := range p {
		if string(value) == "null" {
			delete(t, name)
			continue
		}
		merged, err := merge(t[name], value)
		if err != nil {
			return nil, err
		}
		if t[name] = merged; string(merged) == "{}" {
			delete(t, name)
		}
	}
	return json.Marshal(t)
}

func isObject(raw []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{")
}

// check names what is wrong in changes that are to be stored.
func (k Known) check(c Changes) []rest.Field {
	if c.Log == nil {
		return nil
	}
	var fields []rest.Field
	oneOf := func(path string, value *string, words []string) {
		if value != nil && !slices.Contains(words, *value) {
			fields = append(fields, rest.Field{Path: path, Rule: "enum", Message: "must be one of " + strings.Join(words, ", ")})
		}
	}
	oneOf("log.level", c.Log.Level, levels)
	for _, name := range slices.Sorted(maps.Keys(c.Log.Levels)) {
		level, path := c.Log.Levels[name], "log.levels."+shown(name)
		if !slices.Contains(k.Components, name) {
			fields = append(fields, unknown(path, "component", k.Components))
		}
		oneOf(path, &level, levels)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Log.Systems)) {
		system, path := c.Log.Systems[name], "log.systems."+shown(name)
		if _, ok := k.File.Log.Systems[name]; !ok {
			fields = append(fields, unknown(path, "system", slices.Sorted(maps.Keys(k.File.Log.Systems))))
		}
		if system.Sinks != nil {
			for i, sink := range *system.Sinks {
				oneOf(fmt.Sprintf("%s.sinks[%d]", path, i), &sink, sinks)
				if slices.Contains((*system.Sinks)[:i], sink) {
					fields = append(fields, rest.Field{Path: fmt.Sprintf("%s.sinks[%d]", path, i), Rule: "duplicate", Message: "is there twice"})
				}
			}
		}
		oneOf(path+".body", system.Body, bodies)
		oneOf(path+".mode", system.Mode, modes)
	}
	return fields
}

// maxFields is how many wrong fields an answer names, as everywhere in the internal API.
const maxFields = 50

func unknown(path, what string, known []string) rest.Field {
	return rest.Field{Path: path, Rule: "unknown", Message: "is no " + what + " here; there are " + strings.Join(known, ", ")}
}

// shown bounds a name that was sent.
func shown(name string) string {
	const most = 32 // twice the longest name that we have
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

// differences lists the values that are not the same, by path.
func differences(from, to Settings) []Step {
	before, after := map[string]string{}, map[string]string{}
	flatten(before, from)
	flatten(after, to)
	paths := map[string]bool{}
	for path := range before {
		paths[path] = true
	}
	for path := range after {
		paths[path] = true
	}
	steps := []Step{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if before[path] != after[path] {
			steps = append(steps, Step{Path: path, From: or(before[path], "null"), To: or(after[path], "null")})
		}
	}
	return steps
}

func flatten(values map[string]string, s Settings) {
	set := func(path string, v any) {
		raw, _ := json.Marshal(v) // strings and lists of them
		values[path] = string(raw)
	}
	set("log.level", s.Log.Level)
	for name, level := range s.Log.Levels {
		set("log.levels."+name, level)
	}
	for name, system := range s.Log.Systems {
		set("log.systems."+name+".sinks", append([]string{}, system.Sinks...))
		set("log.systems."+name+".body", system.Body)
		set("log.systems."+name+".mode", system.Mode)
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
