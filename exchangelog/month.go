package exchangelog

import (
	"fmt"
	"time"
)

// Month is a calendar month in Estonia, the unit of archives: a record belongs to the month of the day that its segment is filed under.
type Month struct {
	Year  int
	Month time.Month
}

// ParseMonth reads yyyy-mm.
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse("2006-01", text)
	if err != nil || t.Year() < 2000 {
		return Month{}, fmt.Errorf("month %q: must be yyyy-mm", text)
	}
	return Month{t.Year(), t.Month()}, nil
}

// MonthOf is the month that a time falls into in Estonia.
func MonthOf(t time.Time) Month {
	t = t.In(tallinn)
	return Month{t.Year(), t.Month()}
}

func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m.Year, m.Month) }

// Begin is the first moment of the month.
func (m Month) Begin() time.Time { return time.Date(m.Year, m.Month, 1, 0, 0, 0, 0, tallinn) }

// Add is the month that lies n months later, or earlier if n is negative.
func (m Month) Add(n int) Month {
	t := time.Date(m.Year, m.Month, 1, 0, 0, 0, 0, time.UTC).AddDate(0, n, 0)
	return Month{t.Year(), t.Month()}
}

// Before reports whether m ends before other begins.
func (m Month) Before(other Month) bool { return m.String() < other.String() }

// Has reports whether the day, yyyy-mm-dd, lies in the month.
func (m Month) Has(day string) bool {
	return len(day) == len(time.DateOnly) && day[:len("2006-01")] == m.String()
}
