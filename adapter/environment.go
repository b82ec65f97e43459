package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// environmentPrefix begins the name of every variable that is ours.
const environmentPrefix = "ADAPTER_"

// variable is the name of a setting's environment variable.
func (k key) variable() string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// overrideFromEnvironment sets the settings that the environment names: ADAPTER_EMTA_TIMEOUT=30s, and with _FILE the
// content of a file, for secrets. Values are written as in the settings file. A variable that names no setting
// is an error, as an unknown key is.
func overrideFromEnvironment(r *reading, environ []string) error {
	keys := map[string]key{}
	var names []string
	for _, k := range keysOf(&r.Settings) {
		keys[k.variable()] = k
		names = append(names, k.variable())
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, environmentPrefix) || notOurs.MatchString(name) {
			continue
		}
		k, known := keys[name]
		if plain, isFile := strings.CutSuffix(name, "_FILE"); !known && isFile {
			if k, known = keys[plain]; known {
				r.files = append(r.files, value)
				content, err := os.ReadFile(value)
				if err != nil {
					return fmt.Errorf("environment variable %s: %w", name, err)
				}
				value = strings.TrimRight(string(content), "\r\n")
			}
		}
		if !known {
			text := "environment variable " + name + " names no setting"
			if meant := nearest(name, names); meant != "" {
				text += ", did you mean " + meant + "?"
			}
			return fmt.Errorf("%s", text)
		}
		if err := r.set(k, name, value); err != nil {
			return err
		}
	}
	return nil
}

// notOurs are variables with our prefix that others set: Kubernetes for a service that is called adapter, and our tests.
var notOurs = regexp.MustCompile(`^ADAPTER_(TEST_|SERVICE_(HOST|PORT)|PORT(_|$))`)

// set writes a variable's value as the settings file would; a text stays as it is.
func (r *reading) set(k key, variable, value string) error {
	if k.value.Kind() == reflect.String {
		k.value.SetString(value)
		r.origins[k.path] = variable
		return nil
	}
	f := settingsFile{name: variable, origins: map[string]string{}}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil || len(document.Content) == 0 {
		return fmt.Errorf("environment variable %s: must be %s", variable, wanted(k.value.Type()))
	}
	if f.value(document.Content[0], k.value, k.path); len(f.problems) > 0 {
		return fmt.Errorf("environment variable %w", f.problems[0])
	}
	r.origins[k.path] = variable
	return nil
}
