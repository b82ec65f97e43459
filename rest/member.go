package rest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// maxFields is how many wrong members an answer names: more help nobody, and a hostile body has thousands.
const maxFields = 50

// maxName is how much of an unknown member's name is repeated.
const maxName = 64

// checkMembers compares a well-formed body with the type of v, member by member, and
// returns what is wrong, at most maxFields, nil if nothing is.
func checkMembers(body []byte, v any) []Field {
	var c memberCheck
	c.value(bytes.TrimSpace(body), reflect.TypeOf(v).Elem(), "")
	return c.fields
}

// checkKnownMembers is checkMembers, but a member that is not known is passed over.
func checkKnownMembers(body []byte, v any) []Field {
	c := memberCheck{open: true}
	c.value(bytes.TrimSpace(body), reflect.TypeOf(v).Elem(), "")
	return c.fields
}

type memberCheck struct {
	open   bool // unknown members are passed over
	fields []Field
}

func (c *memberCheck) add(path, rule, message string) {
	if len(c.fields) < maxFields {
		c.fields = append(c.fields, Field{Path: path, Rule: rule, Message: message})
	}
}

// value checks raw, which stands at path, against typ. A nil typ takes anything, and only
// members that are there twice are wrong.
func (c *memberCheck) value(raw json.RawMessage, typ reflect.Type, path string) {
	for typ != nil && typ.Kind() == reflect.Pointer && !readsItself(typ) {
		if isNull(raw) {
			return
		}
		typ = typ.Elem()
	}
	if typ != nil && (readsItself(typ) || !compound(typ)) {
		if !c.leaf(raw, typ, path) {
			return
		}
		typ = nil
	}
	switch first := raw[0]; {
	case first == '{' && (typ == nil || typ.Kind() == reflect.Struct || typ.Kind() == reflect.Map):
		c.object(raw, typ, path)
	case first == '[' && (typ == nil || typ.Kind() == reflect.Slice):
		c.array(raw, typ, path)
	case typ == nil, isNull(raw) && (typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map):
	case typ.Kind() == reflect.Slice:
		c.add(path, ruleType, "must be an array")
	default:
		c.add(path, ruleType, "must be an object")
	}
}

// leaf has the type read its own value.
func (c *memberCheck) leaf(raw json.RawMessage, typ reflect.Type, path string) bool {
	rule, message := expectation(typ)
	// encoding/json reads null into anything, without effect.
	nullRefused := isNull(raw) && typ.Kind() != reflect.Interface && typ != reflect.TypeFor[json.RawMessage]()
	if nullRefused || json.Unmarshal(raw, reflect.New(typ).Interface()) != nil {
		c.add(path, rule, message)
		return false
	}
	return true
}

func (c *memberCheck) object(raw json.RawMessage, typ reflect.Type, path string) {
	var known map[string]reflect.Type
	if typ != nil && typ.Kind() == reflect.Struct {
		known = map[string]reflect.Type{}
		addMembers(known, typ)
	}
	seen := map[string]bool{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	_, _ = decoder.Token() // the syntax was checked
	for decoder.More() {
		token, _ := decoder.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = decoder.Decode(&value)

		at := joined(path, name)
		member, ok := known[name]
		switch {
		case seen[name]:
			c.add(at, ruleDuplicate, "is there twice")
		case known != nil && !ok && !c.open:
			c.add(at, ruleUnknown, "is not a member here")
		case known != nil && !ok && looksKnown(known, name): // encoding/json would read it as the known one
			c.add(at, ruleUnknown, "differs from a member here in case only")
		case typ != nil && typ.Kind() == reflect.Map:
			c.value(value, typ.Elem(), at)
		default:
			c.value(value, member, at)
		}
		seen[name] = true
	}
}

func looksKnown(known map[string]reflect.Type, name string) bool {
	for k := range known {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

func (c *memberCheck) array(raw json.RawMessage, typ reflect.Type, path string) {
	var element reflect.Type
	if typ != nil {
		element = typ.Elem()
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	_, _ = decoder.Token()
	for i := 0; decoder.More(); i++ {
		var value json.RawMessage
		_ = decoder.Decode(&value)
		c.value(value, element, fmt.Sprintf("%s[%d]", path, i))
	}
}

// addMembers adds the JSON members of a struct; those of an embedded one count as its own.
func addMembers(members map[string]reflect.Type, typ reflect.Type) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			addMembers(members, f.Type)
		case !f.IsExported() || name == "-":
		case name == "":
			members[f.Name] = f.Type
		default:
			members[name] = f.Type
		}
	}
}

// readsItself reports whether the type has its own way of being read from JSON.
func readsItself(typ reflect.Type) bool {
	pointer := reflect.PointerTo(typ)
	return pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// compound reports whether the type's parts have paths of their own.
func compound(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Struct:
		return true
	case reflect.Slice:
		return typ.Elem().Kind() != reflect.Uint8
	case reflect.Map:
		return typ.Key().Kind() == reflect.String
	}
	return false
}

// expectation is what to say of a value that does not fit its type.
func expectation(typ reflect.Type) (rule, message string) {
	switch kind := typ.Kind(); {
	case readsItself(typ):
		return ruleFormat, "does not have the form that is expected here"
	case kind == reflect.String:
		return ruleType, "must be a string"
	case kind == reflect.Bool:
		return ruleType, "must be true or false"
	case kind >= reflect.Int && kind <= reflect.Uint64:
		return ruleType, "must be an integer"
	}
	return ruleType, "has the wrong type"
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func joined(path, name string) string {
	name = shortened(name)
	if path == "" {
		return name
	}
	return path + "." + name
}

func shortened(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}
