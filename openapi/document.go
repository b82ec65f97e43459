package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// document is what the page shows of a description (OpenAPI 3.0.3 §4.7).
type document struct {
	Info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	} `json:"info"`
	Servers []struct {
		Description string `json:"description"`
	} `json:"servers"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      object[pathItem] `json:"paths"`
	Components struct {
		Schemas    object[schema]    `json:"schemas"`
		Parameters object[parameter] `json:"parameters"`
		Responses  object[response]  `json:"responses"`
		Examples   object[example]   `json:"examples"`
	} `json:"components"`
}

type pathItem struct {
	Parameters []parameter `json:"parameters"`
	Get        *operation  `json:"get"`
	Post       *operation  `json:"post"`
	Patch      *operation  `json:"patch"`
	Put        *operation  `json:"put"`
	Delete     *operation  `json:"delete"`
}

type operation struct {
	ID          string      `json:"operationId"`
	Tags        []string    `json:"tags"`
	Summary     string      `json:"summary"`
	Description string      `json:"description"`
	Parameters  []parameter `json:"parameters"`
	RequestBody *struct {
		Required bool              `json:"required"`
		Content  object[mediaType] `json:"content"`
	} `json:"requestBody"`
	Responses object[response] `json:"responses"`
}

type parameter struct {
	Ref         string          `json:"$ref"`
	Name        string          `json:"name"`
	In          string          `json:"in"`
	Description string          `json:"description"`
	Required    bool            `json:"required"`
	Schema      schema          `json:"schema"`
	Example     json.RawMessage `json:"example"`
}

type response struct {
	Ref         string            `json:"$ref"`
	Description string            `json:"description"`
	Content     object[mediaType] `json:"content"`
}

type mediaType struct {
	Schema   schema          `json:"schema"`
	Example  json.RawMessage `json:"example"`
	Examples object[example] `json:"examples"`
}

type example struct {
	Ref     string          `json:"$ref"`
	Summary string          `json:"summary"`
	Value   json.RawMessage `json:"value"`
}

type schema struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Pattern     string            `json:"pattern"`
	Enum        []json.RawMessage `json:"enum"`
	Minimum     *json.Number      `json:"minimum"`
	Maximum     *json.Number      `json:"maximum"`
	MaxLength   *json.Number      `json:"maxLength"`
	Default     json.RawMessage   `json:"default"`
	Required    []string          `json:"required"`
	Properties  object[schema]    `json:"properties"`
	Items       *schema           `json:"items"`
	AllOf       []schema          `json:"allOf"`
	OneOf       []schema          `json:"oneOf"`
}

// object is a JSON object whose members keep their order, which is the author's for the reader.
type object[T any] []member[T]

type member[T any] struct {
	Name  string
	Value T
}

// UnmarshalJSON reads the members as they come.
func (o *object[T]) UnmarshalJSON(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	opening, err := decoder.Token()
	if err != nil {
		return err
	}
	if opening != json.Delim('{') {
		return fmt.Errorf("an object is expected, not %v", opening)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var m member[T]
		m.Name, _ = name.(string)
		if err := decoder.Decode(&m.Value); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		*o = append(*o, m)
	}
	return nil
}

// at is what a reference into components names; prefix is "#/components/…/".
func (o object[T]) at(prefix, ref string) (T, error) {
	name, ok := strings.CutPrefix(ref, prefix)
	for _, m := range o {
		if ok && m.Name == name {
			return m.Value, nil
		}
	}
	var none T
	return none, fmt.Errorf("reference %q leads nowhere", ref)
}
