package mandate

import (
	"errors"
	"time"
	_ "time/tzdata" // days in Estonia must be known on a machine without zones too
)

// Date is a calendar day in Estonia as YYYY-MM-DD; "" is an open end. Days compare as texts do.
type Date string

var errDate = errors.New("must be a day that exists, as YYYY-MM-DD")

// ParseDate reads a day that exists, of the years 1 to 9999: 2026-02-30 is none. The error repeats nothing of s.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return "", errDate
	}
	return Date(s), nil
}

var tallinn = mustLoad("Europe/Tallinn")

func mustLoad(name string) *time.Location {
	location, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return location
}

// Zone is where days begin: Estonia.
func Zone() *time.Location { return tallinn }

// DateOf is the day in Estonia at a time.
func DateOf(t time.Time) Date { return Date(t.In(tallinn).Format(time.DateOnly)) }

// Plus is the day n days later. An open end stays open.
func (d Date) Plus(n int) Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return Date(t.AddDate(0, 0, n).Format(time.DateOnly))
}

// Period is from its first day through its last, both inclusive; an open end is "".
type Period struct{ From, Through Date }

// Covers reports whether a day is in the period.
func (p Period) Covers(day Date) bool { return p.From <= day && !p.Over(day) }

// Over reports whether the last day is before a day.
func (p Period) Over(day Date) bool { return p.Through != "" && p.Through < day }

// overlaps reports whether the two have a day in common.
func (p Period) overlaps(q Period) bool {
	return (p.Through == "" || q.From <= p.Through) && (q.Through == "" || p.From <= q.Through)
}

// empty reports whether the period has no day.
func (p Period) empty() bool { return p.Through != "" && p.Through < p.From }

func earlier(a, b Date) Date {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}
