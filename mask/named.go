package mask

import "strings"

// Named is Text for the value of a field, attribute or setting: where the name tells that the value is a secret or names a
// person, all of it is masked. Case, hyphens and underscores of the name do not count. An empty value stays empty.
func Named(name, value string) string {
	if value != "" && (secret(name) || personal(name)) {
		return Mark
	}
	return Text(value)
}

// secretNames are the ends of names of secrets, without hyphens and underscores.
var secretNames = []string{
	"authorization", "password", "passwd", "passphrase", "parool", "secret", "token", "apikey", "accesskey", "privatekey", "masterkey",
	"sealkey", "cookie", "session", "sessionid", "credential", "credentials",
}

// personNames are whole names of fields that name a person, as X-Road, the internal API and our partners write them.
var personNames = []string{
	"userid", "xroaduserid", "representedparty", "xroadrepresentedparty", "actinguser", "xactinguser", "user", "username", "isikukood",
	"personalcode", "usercode", "email", "mail", "phone", "firstname", "lastname", "surname", "givenname", "familyname", "fullname", "legalname",
	"eesnimi", "perenimi", "isikuenimi", "isikupnimi", "useridentifier",
}

func secret(name string) bool {
	plain := plainName(name)
	for _, end := range secretNames {
		if strings.HasSuffix(plain, end) {
			return true
		}
	}
	return false
}

func personal(name string) bool {
	plain := plainName(name)
	for _, whole := range personNames {
		if plain == whole {
			return true
		}
	}
	return false
}

// wholeLine reports whether the value of a secret may hold spaces and commas: header fields.
func wholeLine(name string) bool {
	plain := plainName(name)
	return strings.HasSuffix(plain, "authorization") || strings.HasSuffix(plain, "cookie")
}

// maxName is longer than any name in the lists with a prefix; what is longer is compared by its end.
const maxName = 64

// plainName is a name in lower case without hyphens, underscores and dots.
func plainName(name string) string {
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	var b [maxName]byte
	n := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == '.':
		case 'A' <= c && c <= 'Z':
			b[n] = c + 'a' - 'A'
			n++
		default:
			b[n] = c
			n++
		}
	}
	return string(b[:n])
}
