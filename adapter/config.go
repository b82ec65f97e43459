package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configCommand looks at the settings without running anything.
type configCommand struct {
	Config    string          `type:"path" placeholder:"FILE" help:"Settings file."`
	Check     configCheck     `cmd:"" help:"Read the settings and try what they name: files of keys and certificates, the database, the security server. Exit status 0 if they are right."`
	Show      configShow      `cmd:"" help:"Print the settings in force and where each came from: the file's line, an environment variable, or the default. Secrets are hidden."`
	Schema    configSchema    `cmd:"" help:"Print the settings file's JSON schema, for editors."`
	Reference configReference `cmd:"" help:"Print the reference of all settings."`
}

type configCheck struct{}

// Run is for kong.
func (*configCheck) Run(ctx context.Context, c *commands) error {
	return checkConfig(ctx, c.Configuration.Config, os.Environ(), os.Stdout)
}

// checkConfig reads the settings and tries what they name with the doctor's checks. What is well is not told.
func checkConfig(ctx context.Context, file string, environment []string, out io.Writer) error {
	s, err := loadSettings(file, environment)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "the settings can be read")
	if s.EMTA.Service == "" {
		fmt.Fprintln(out, "note: emta.service is not set, so payments cannot be started")
	}
	var all, wrong diagnosis
	newDoctor(s).tryOut(ctx, &all)
	for _, f := range all.findings {
		if f.Grade != gradeOK {
			wrong.findings = append(wrong.findings, f)
		}
	}
	if err := wrong.print(out, false); err != nil {
		return err
	}
	if wrong.failed() {
		return errDoctor
	}
	fmt.Fprintln(out, "the settings are right")
	return nil
}

type configShow struct{}

// Run is for kong.
func (*configShow) Run(_ context.Context, c *commands) error {
	r, err := source{c.Configuration.Config, os.Environ()}.read()
	if err != nil {
		return err
	}
	return r.show(os.Stdout)
}

type configSchema struct{}

// Run is for kong.
func (*configSchema) Run() error {
	text, err := settingsSchema()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

type configReference struct{}

// Run is for kong.
func (*configReference) Run() error {
	page, err := settingsReference()
	if err != nil {
		return err
	}
	_, err = io.WriteString(os.Stdout, page)
	return err
}

// hidden stands for a secret that is set.
const hidden = "(hidden)"

// show writes the settings as a settings file, each value with where it came from. Secrets, and all that could be one, are hidden.
func (r *reading) show(w io.Writer) error {
	var document yaml.Node
	if err := document.Encode(r.Settings); err != nil {
		return err
	}
	r.annotate(&document, settingsType, "")
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return err
	}
	return encoder.Close()
}

// annotate writes the origins beside the values of a section, and hides what may not be shown.
func (r *reading) annotate(node *yaml.Node, t reflect.Type, at string) {
	for i := range t.NumField() {
		field, value := t.Field(i), node.Content[2*i+1]
		k := key{path: joinKey(at, yamlName(field)), owner: t, field: field}
		switch {
		case isSection(field.Type):
			r.annotate(value, field.Type, k.path)
			continue
		case field.Type.Kind() == reflect.Slice && isSection(field.Type.Elem()):
			for j, element := range value.Content {
				r.annotate(element, field.Type.Elem(), fmt.Sprintf("%s[%d]", k.path, j))
			}
		case field.Type.Kind() == reflect.Map && isSection(field.Type.Elem()):
			for j := 0; j+1 < len(value.Content); j += 2 {
				r.annotate(value.Content[j+1], field.Type.Elem(), joinKey(k.path, value.Content[j].Value))
			}
		case value.Value == "": // nothing to hide
		case k.has("secret"):
			value.Value = hidden
		case k.has("url"):
			value.Value = withoutPassword(value.Value)
		}
		value.LineComment = r.origins[k.path]
		if value.LineComment == "" && !strings.Contains(at, "[") {
			value.LineComment = "default"
		}
		if len(value.Content) > 0 { // a comment after a list's or map's name
			node.Content[2*i].LineComment, value.LineComment = value.LineComment, ""
		}
	}
}

// withoutPassword hides a URL's user and every parameter with a password; what cannot be read as a URL is hidden whole.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return hidden
	}
	if u.User != nil {
		u.User = url.User(hidden)
	}
	parameters := strings.Split(u.RawQuery, "&")
	for i, p := range parameters {
		if name, _, _ := strings.Cut(p, "="); strings.Contains(strings.ToLower(name), "password") {
			parameters[i] = name + "=" + hidden
		}
	}
	u.RawQuery = strings.Join(parameters, "&")
	return u.String()
}
