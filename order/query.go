package order

import (
	"fmt"
	"net/url"
	"strconv"

	"ametlikudteadaanded.ee/adapter/rest"
)

// query reads the parameters of a list and collects what is wrong with them.
type query struct {
	values url.Values
	errs   []rest.Field
}

func (q *query) wrong(name, rule, message string) {
	q.errs = append(q.errs, rest.Field{Path: name, Rule: rule, Message: message})
}

// integer is a whole number within bounds, or absent where the parameter is.
func (q *query) integer(name string, absent, least, most int64) int64 {
	s := q.values.Get(name)
	if s == "" {
		return absent
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		q.wrong(name, "range", fmt.Sprintf("must be a whole number from %d to %d", least, most))
		return absent
	}
	return n
}
