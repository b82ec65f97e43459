package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is where settings are read from: a file, if there is one, and the environment, as os.Environ gives it.
type source struct {
	path    string
	environ []string
}

// reading is what was read once: the settings, where each came from, and the files that had a part in it.
type reading struct {
	Settings
	origins map[string]string // by key: "FILE, line 3" or "ADAPTER_STORE"; a key that is not there has its default
	files   []string
}

// loadSettings reads the file over the defaults, and the environment over both. An empty path means no file.
func loadSettings(path string, environ []string) (Settings, error) {
	r, err := source{path, environ}.read()
	return r.Settings, err
}

// read is loadSettings with the origins. The files are listed even where there is an error.
func (s source) read() (reading, error) {
	r := reading{Settings: defaultSettings(), origins: map[string]string{}}
	if s.path != "" {
		r.files = append(r.files, s.path)
		text, err := os.ReadFile(s.path)
		if err != nil {
			return r, fmt.Errorf("settings: %w", err)
		}
		if err := decodeSettings(s.path, text, &r); err != nil {
			return r, err
		}
	}
	if err := overrideFromEnvironment(&r, s.environ); err != nil {
		return r, err
	}
	err := r.check()
	var wrong *settingError
	if errors.As(err, &wrong) && r.origins[wrong.key] != "" {
		err = fmt.Errorf("%s: %w", r.origins[wrong.key], err)
	}
	return r, err
}

// decodeSettings reads a file's text over r. It is strict: every key that is not known, there twice, or of the wrong
// type is an error of its own, with its line. A value is never repeated: it may be a secret in the wrong place.
func decodeSettings(name string, text []byte, r *reading) error {
	f := settingsFile{name: name, origins: r.origins}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, another yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return f.syntax(err)
	}
	f.section(document.Content[0], reflect.ValueOf(&r.Settings).Elem(), "")
	switch err := decoder.Decode(&another); {
	case err == nil:
		f.problem(&another, "", "the file must hold one document")
	case !errors.Is(err, io.EOF):
		return f.syntax(err)
	}
	return errors.Join(f.problems...)
}

// settingsFile is a settings file that is being read.
type settingsFile struct {
	name     string
	origins  map[string]string
	problems []error
}

func (f *settingsFile) line(node *yaml.Node) string {
	return fmt.Sprintf("%s, line %d", f.name, node.Line)
}

func (f *settingsFile) problem(node *yaml.Node, key, text string) {
	if key != "" {
		text = key + " " + text
	}
	f.problems = append(f.problems, errors.New(f.line(node)+": "+text))
}

// section reads a mapping into a struct.
func (f *settingsFile) section(node *yaml.Node, v reflect.Value, at string) {
	f.mapping(node, at, wanted(v.Type()), func(name, value *yaml.Node, path string) {
		names := make([]string, v.NumField())
		for i := range names {
			names[i] = yamlName(v.Type().Field(i))
			if names[i] == name.Value {
				f.value(value, v.Field(i), path)
				return
			}
		}
		f.unknown(name, at, names)
	})
}

// mapping goes through the pairs of a mapping. One without a value is left alone: the default holds.
func (f *settingsFile) mapping(node *yaml.Node, at, want string, each func(name, value *yaml.Node, path string)) {
	if node.Kind != yaml.MappingNode {
		if node.ShortTag() != "!!null" {
			f.problem(node, at, "must be "+want)
		}
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		path := joinKey(at, name.Value)
		if seen[name.Value] {
			f.problem(name, path, "is there twice")
			continue
		}
		seen[name.Value] = true
		each(name, node.Content[i+1], path)
	}
}

// unknown names the key as it stands, which is no value, and what it may have been meant to be.
func (f *settingsFile) unknown(name *yaml.Node, at string, section []string) {
	text := "unknown key " + printable(clipped(joinKey(at, name.Value)))
	if meant := nearest(name.Value, section); meant != "" {
		f.problem(name, "", text+", did you mean "+joinKey(at, meant)+"?")
		return
	}
	for _, k := range keysOf(new(Settings)) { // it may stand in the wrong section
		if strings.EqualFold(yamlName(k.field), name.Value) {
			text += ", did you mean " + k.path + "?"
			break
		}
	}
	f.problem(name, "", text)
}

func (f *settingsFile) value(node *yaml.Node, v reflect.Value, at string) {
	t := v.Type()
	if node.Kind == yaml.AliasNode {
		f.problem(node, at, "is an alias: settings are written out")
		return
	}
	if node.ShortTag() == "!!null" {
		return
	}
	f.origins[at] = f.line(node)
	switch {
	case isSection(t):
		f.section(node, v, at)
	case t.Kind() == reflect.Map:
		f.names(node, v, at)
	case t.Kind() == reflect.Slice:
		f.list(node, v, at)
	case node.Kind != yaml.ScalarNode || node.Decode(v.Addr().Interface()) != nil:
		f.problem(node, at, "must be "+wanted(t))
	}
}

func (f *settingsFile) list(node *yaml.Node, v reflect.Value, at string) {
	if node.Kind != yaml.SequenceNode {
		f.problem(node, at, "must be "+wanted(v.Type()))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, element := range node.Content {
		f.value(element, list.Index(i), fmt.Sprintf("%s[%d]", at, i))
	}
	v.Set(list)
}

// names reads a mapping whose keys are names, over those that have defaults.
func (f *settingsFile) names(node *yaml.Node, v reflect.Value, at string) {
	all := reflect.MakeMap(v.Type())
	for _, name := range v.MapKeys() {
		all.SetMapIndex(name, v.MapIndex(name))
	}
	f.mapping(node, at, wanted(v.Type()), func(name, value *yaml.Node, path string) {
		element := reflect.New(v.Type().Elem()).Elem()
		if known := all.MapIndex(reflect.ValueOf(name.Value)); known.IsValid() {
			element.Set(known)
		}
		f.value(value, element, path)
		all.SetMapIndex(reflect.ValueOf(name.Value), element)
	})
	v.Set(all)
}

var yamlSyntax = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax is the library's error, without a Go type in it.
func (f *settingsFile) syntax(err error) error {
	text := err.Error()
	at := f.name
	if m := yamlSyntax.FindStringSubmatch(text); m != nil {
		text = strings.TrimPrefix(text, m[0])
		if m[1] != "" {
			at += ", line " + m[1]
		}
	}
	return fmt.Errorf("%s: is not YAML: %s", at, text)
}
