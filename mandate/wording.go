package mandate

import (
	_ "embed"
	"encoding/json"

	"ametlikudteadaanded.ee/adapter/rest"
)

// typePrefix begins the type of each of our problems.
const typePrefix = "urn:problem-type:ee.ametlikudteadaanded:"

// Rules that reading a request finds broken, beside those of rest.
const (
	ruleOneOf        = "one-of"       // none of a list of values
	ruleSameAsPath   = "same-as-path" // the body names another person than the path
	ruleDate         = "date"         // no day, or one that does not exist
	codeNotSupported = "not-supported"
)

// word is what is said of a rule or a code: to engineers after a field's name, and to the person who acts.
type word struct{ Says, ET, EN, RU string }

//go:embed wording.json
var wordingJSON []byte

var words = mustReadWords(wordingJSON)

func mustReadWords(text []byte) map[string]word {
	var w map[string]word
	if err := json.Unmarshal(text, &w); err != nil {
		panic(err) // embedded, and a test reads it
	}
	return w
}

// saying is what engineers read of a broken rule.
func saying(rule string) string {
	if w, ok := words[rule]; ok {
		return w.Says
	}
	return words[""].Says
}

// Wording is how Pääsuke's operations tell problems. page is the address of a page with an anchor for each problem, "" for none.
func Wording(page string) rest.Wording {
	texts := make(map[string]rest.Translation, len(words))
	for rule, w := range words {
		texts[rule] = rest.Translation{ET: w.ET, EN: w.EN, RU: w.RU}
	}
	return rest.Wording{TypePrefix: typePrefix, Page: page, Texts: texts}
}
