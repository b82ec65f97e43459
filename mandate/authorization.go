package mandate

import (
	"encoding/json"
	"errors"
)

// Authorization is on what grounds Pääsuke let a user act: a role that the user had, with its namespace (BR_REPRIGHT:SOLEREP).
type Authorization struct {
	User Identifier
	Role string
}

// kept is an authorization as stores keep it.
type kept struct {
	User Identifier `json:"user"`
	Role string     `json:"role"`
}

// AuthorizationsText is a list as stores keep it: JSON, "" for none.
func AuthorizationsText(list []Authorization) string {
	if len(list) == 0 {
		return ""
	}
	as := make([]kept, 0, len(list))
	for _, a := range list {
		as = append(as, kept(a))
	}
	text, _ := json.Marshal(as) // strings can be written
	return string(text)
}

// ParseAuthorizations reads what AuthorizationsText wrote.
func ParseAuthorizations(text string) ([]Authorization, error) {
	if text == "" {
		return nil, nil
	}
	var as []kept
	if err := json.Unmarshal([]byte(text), &as); err != nil {
		return nil, errors.New("authorizations are not as they were written")
	}
	list := make([]Authorization, 0, len(as))
	for _, a := range as {
		list = append(list, Authorization(a))
	}
	return list, nil
}
