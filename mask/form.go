package mask

import (
	"net/url"
	"strings"
)

// form masks the fields of a form by their names.
func (m *Masker) form(body []byte) ([]byte, bool) {
	fields := strings.Split(string(body), "&")
	for i, field := range fields {
		name, value, given := strings.Cut(field, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			return nil, false
		}
		switch {
		case given && value != "" && (m.members.match([]string{plain}) || Named(plain, "x") == Mark):
			fields[i] = Text(name) + "=" + Mark
		default:
			fields[i] = Text(field)
		}
	}
	return []byte(strings.Join(fields, "&")), true
}
