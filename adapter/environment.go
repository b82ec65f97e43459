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

// overrideFromEnvironment sets the fields that the environment names: ADAPTER_EMTA_TIMEOUT=30s, and with _FILE the
// content of a file, for secrets. Values are written as in the settings file. A variable that names no setting
// is an error, as an unknown key is.
func overrideFromEnvironment(s *Settings, environ []string) error {
	fields := map[string]reflect.Value{}
	collectFields(environmentPrefix, reflect.ValueOf(s).Elem(), fields)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, environmentPrefix) || notOurs.MatchString(name) {
			continue
		}
		field, known := fields[name]
		if plain, isFile := strings.CutSuffix(name, "_FILE"); !known && isFile {
			field, known = fields[plain]
			content, err := os.ReadFile(value)
			if err != nil {
				return fmt.Errorf("environment variable %s: %w", name, err)
			}
			value = strings.TrimRight(string(content), "\r\n")
		}
		if !known {
			return fmt.Errorf("environment variable %s names no setting", name)
		}
		if err := setField(field, value); err != nil {
			return fmt.Errorf("environment variable %s: the value does not fit the setting", name)
		}
	}
	return nil
}

// notOurs are variables with our prefix that others set: Kubernetes for a service that is called adapter, and our tests.
var notOurs = regexp.MustCompile(`^ADAPTER_(TEST_|SERVICE_(HOST|PORT)|PORT(_|$))`)

// collectFields finds the settings below v by the names of their variables.
func collectFields(prefix string, v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		name := prefix + strings.ToUpper(v.Type().Field(i).Tag.Get("yaml"))
		if field := v.Field(i); field.Kind() == reflect.Struct && field.Type().PkgPath() == v.Type().PkgPath() {
			collectFields(name+"_", field, fields)
		} else {
			fields[name] = field
		}
	}
}

// setField writes the value as YAML would; a string stays as it is.
func setField(field reflect.Value, value string) error {
	if field.Kind() == reflect.String {
		field.SetString(value)
		return nil
	}
	return yaml.Unmarshal([]byte(value), field.Addr().Interface())
}
