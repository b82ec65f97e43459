package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// key is one setting: a field of Settings that is no section, by the name that it has in the file.
type key struct {
	path  string // emta.sync.delays
	owner reflect.Type
	field reflect.StructField
	value reflect.Value
}

// keysOf lists the settings of s in the struct's order. The values are s's own fields. A list or map of sections counts as one.
func keysOf(s *Settings) []key {
	var keys []key
	collectKeys("", reflect.ValueOf(s).Elem(), &keys)
	return keys
}

func collectKeys(at string, v reflect.Value, keys *[]key) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		path := joinKey(at, yamlName(field))
		if isSection(field.Type) {
			collectKeys(path, v.Field(i), keys)
		} else {
			*keys = append(*keys, key{path, v.Type(), field, v.Field(i)})
		}
	}
}

// has reports whether the field's tag `setting` holds the word: "secret" is never shown, "url" is shown without its user,
// "live" may change while the program runs.
func (k key) has(word string) bool {
	return slices.Contains(strings.Split(k.field.Tag.Get("setting"), ","), word)
}

// choices are the values that the tag `one` allows, nil for all.
func (k key) choices() []string { return choicesOf(k.field) }

func choicesOf(field reflect.StructField) []string {
	if tag := field.Tag.Get("one"); tag != "" {
		return strings.Split(tag, ",")
	}
	return nil
}

// checkChoices refuses a value that is not one of those that its key allows.
func (s Settings) checkChoices() error {
	for _, k := range keysOf(&s) {
		if choices := k.choices(); choices != nil && !slices.Contains(choices, k.value.String()) {
			return &settingError{k.path, "must be " + orList(choices)}
		}
	}
	return nil
}

// orList is "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func yamlName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	return name
}

func joinKey(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

var (
	settingsType = reflect.TypeFor[Settings]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

// isSection reports whether t holds keys of its own: a struct of ours.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == settingsType.PkgPath()
}

// wanted says what a value of type t is, for people.
func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 90s or 2m"
	case t == timeType:
		return "a time such as 2030-01-02T15:04:05Z"
	case isSection(t):
		return "keys and values"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list, each " + wanted(t.Elem())
	case reflect.Map:
		return "names, each with " + wanted(t.Elem())
	}
	panic(fmt.Sprintf("settings hold a %s, of which nothing is known here", t))
}

// nearest is the name that the writer of name most likely meant: one of the section's, or the same key of another section.
func nearest(name string, section []string) string {
	best, least := "", 1+max(2, len(name)/3)
	for _, candidate := range section {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many letters must be added, dropped, changed or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := range x {
		for j := range y {
			change := 1
			if x[i] == y[j] {
				change = 0
			}
			rows[i+1][j+1] = min(rows[i][j]+change, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				rows[i+1][j+1] = min(rows[i+1][j+1], rows[i-1][j-1]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
