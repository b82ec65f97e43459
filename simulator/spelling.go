package simulator

import (
	"strings"
	"unicode"
)

// Spelling is how a security server writes its error codes (fact sheet §5.3).
type Spelling string

// The two spellings; the zero Spelling is CamelCase.
const (
	CamelCase Spelling = "CamelCase"  // up to 7.7: Server.ServerProxy.ServiceFailed.HttpError
	SnakeCase Spelling = "snake_case" // from 7.8: server.serverproxy.service_failed.http_error
)

// write spells a code given in the classic form.
func (s Spelling) write(classic string) string {
	if s != SnakeCase {
		return classic
	}
	parts := strings.Split(classic, ".")
	for i, part := range parts {
		switch part {
		case "ClientProxy", "ServerProxy": // origins are one word
			parts[i] = strings.ToLower(part)
		case "OutdatedGlobalConf": // irregular
			parts[i] = "global_conf_outdated"
		default:
			parts[i] = snake(part)
		}
	}
	return strings.Join(parts, ".")
}

// snake turns InvalidXml into invalid_xml and IOError into io_error.
func snake(word string) string {
	runes := []rune(word)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			afterLower := unicode.IsLower(runes[i-1])
			beforeLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterLower || beforeLower {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
