package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"time"
)

// settingsSource is where the comments are that describe the settings.
//
//go:embed settings.go
var settingsSource string

// settingComments reads the comments of every field, by type and field: "EMTA.Timeout".
func settingComments() (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "settings.go", settingsSource, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if fields, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					text := field.Doc.Text() + " " + field.Comment.Text()
					comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(text), " ")
				}
			}
		}
		return true
	})
	return comments, nil
}

const referenceHead = `# Settings

<!-- Made by adapter config reference from adapter/settings.go. Not edited by hand: go test ./adapter -run TestSettingsReference -update -->

One YAML file, ` + "`adapter serve --config FILE`" + `. An unknown key or a value of the wrong kind is an error with its line. Every key can be set
from the environment too: ` + "`ADAPTER_`" + ` and the names in capitals joined by ` + "`_`" + ` (` + "`ADAPTER_EMTA_TIMEOUT=30s`" + `); with ` + "`_FILE`" + ` at the end
the value is read from a file, for secrets (` + "`ADAPTER_CORE_WEBHOOK_SECRET_FILE=/run/secrets/webhook`" + `). Lists and maps stand there as YAML.
Durations are written as ` + "`90s`, `2m`, `24h`" + `.

A key with ● is taken over while the adapter runs, see [operations](operations.md#change-settings-while-it-runs); the others at the next start.
` + "`adapter config show`" + ` prints what is in force and where each value came from; ` + "`adapter config check`" + ` tries it. Editors read
[settings.schema.json](settings.schema.json) (` + "`adapter config schema`" + `), named in the file's first line:
` + "`# yaml-language-server: $schema=settings.schema.json`" + `.
`

// settingsReference is docs/settings.md.
func settingsReference() (string, error) {
	comments, err := settingComments()
	if err != nil {
		return "", err
	}
	var page strings.Builder
	page.WriteString(referenceHead)
	defaults, section := defaultSettings(), ""
	for _, k := range keysOf(&defaults) {
		if first, _, _ := strings.Cut(k.path, "."); first != section {
			section = first
			fmt.Fprintf(&page, "\n## %s\n\n| key | | default | what |\n|---|---|---|---|\n", section)
		}
		live := ""
		if k.has("live") {
			live = "●"
		}
		what := comments[k.owner.Name()+"."+k.field.Name]
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", k.path, live, shownDefault(k.value), withChoices(what, k.choices()))
		writeElements(&page, k.path, k.field.Type, comments)
	}
	return page.String(), nil
}

// writeElements has a row for each key of a list's or map's elements.
func writeElements(page *strings.Builder, path string, t reflect.Type, comments map[string]string) {
	suffix := "[]"
	switch t.Kind() {
	case reflect.Map:
		suffix = ".NAME"
	case reflect.Slice:
	default:
		return
	}
	if !isSection(t.Elem()) {
		return
	}
	var inner func(at string, t reflect.Type)
	inner = func(at string, t reflect.Type) {
		for i := range t.NumField() {
			field := t.Field(i)
			path := joinKey(at, yamlName(field))
			if isSection(field.Type) {
				inner(path, field.Type)
				continue
			}
			fmt.Fprintf(page, "| `%s` | | | %s |\n", path, withChoices(comments[t.Name()+"."+field.Name], choicesOf(field)))
		}
	}
	inner(path+suffix, t.Elem())
}

func withChoices(what string, choices []string) string {
	if choices == nil {
		return what
	}
	return "`" + strings.Join(choices, "`, `") + "`: " + what
}

// shownDefault is a default as it would stand in the file; nothing for an empty one.
func shownDefault(v reflect.Value) string {
	if text := plainValue(v); text != "" {
		return "`" + text + "`"
	}
	return ""
}

func plainValue(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return shortDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.Slice && v.Len() > 0:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = plainValue(v.Index(i))
		}
		return "[" + strings.Join(words, ", ") + "]"
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// shortDuration is 2m for 2m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, end) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// settingsSchema is docs/settings.schema.json, the settings file's JSON schema for editors.
func settingsSchema() ([]byte, error) {
	comments, err := settingComments()
	if err != nil {
		return nil, err
	}
	s := schemaOf(reflect.ValueOf(defaultSettings()), comments)
	s.Schema, s.Title = "http://json-schema.org/draft-07/schema#", "Settings of the adapter"
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// schema is the part of JSON Schema that the settings need.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        []string           `json:"type,omitempty"`
	Format      string             `json:"format,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Default     any                `json:"default,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"`
	Items       *schema            `json:"items,omitempty"`
}

// schemaOf describes v's type with v's value as default. Nothing may be left out or null: the default holds then.
func schemaOf(v reflect.Value, comments map[string]string) *schema {
	t := v.Type()
	switch {
	case isSection(t):
		s := &schema{Type: []string{"object", "null"}, Properties: map[string]*schema{}, Additional: false}
		for i := range t.NumField() {
			field := t.Field(i)
			property := schemaOf(v.Field(i), comments)
			property.Description, property.Enum = comments[t.Name()+"."+field.Name], choicesOf(field)
			s.Properties[yamlName(field)] = property
		}
		return s
	case t == durationType:
		return &schema{Type: []string{"string"}, Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, Default: defaultOf(v)}
	case t == timeType:
		return &schema{Type: []string{"string"}, Format: "date-time"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &schema{Type: []string{"boolean"}, Default: v.Bool()}
	case reflect.Int, reflect.Int64:
		return &schema{Type: []string{"integer"}, Default: v.Int()}
	case reflect.Slice:
		return &schema{Type: []string{"array", "null"}, Items: schemaOf(reflect.Zero(t.Elem()), comments), Default: defaultOf(v)}
	case reflect.Map:
		return &schema{Type: []string{"object", "null"}, Additional: schemaOf(reflect.Zero(t.Elem()), comments)}
	}
	return &schema{Type: []string{"string", "number", "boolean"}, Default: defaultOf(v)} // YAML reads 123 as a text where one is wanted
}

func defaultOf(v reflect.Value) any {
	switch {
	case v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0:
		return nil
	case v.Type() == durationType:
		return shortDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = defaultOf(v.Index(i))
		}
		return list
	}
	return v.Interface()
}
