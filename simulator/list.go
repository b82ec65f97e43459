package simulator

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// ListOptions are what the contract leaves open of cpgOrderList: its from, to,
// page and sort are strings and numbers without a description (EMTA sheet §7).
type ListOptions struct {
	FirstPage   int      // number of the first page, 0 or 1
	PageSize    int      // entries of a page when count is absent; 0 means 10
	MaxPageSize int      // a larger count is cut to it; 0 means 100
	DateFormats []string // Go layouts that from and to may have; nil: RFC 3339, date and time, or date alone
	// ExclusiveTo leaves orders made exactly at to out. A to without a time of
	// day means the end of that day either way.
	ExclusiveTo bool
	// StrictSort refuses a sort that is not one of: field, -field, "field asc",
	// "field,desc", "field:desc", with field created, expires, amount or id. Else it is ignored.
	StrictSort  bool
	NewestFirst bool // what a list without sort is; else the oldest first
}

func (o ListOptions) withDefaults() ListOptions {
	if o.PageSize == 0 {
		o.PageSize = 10
	}
	if o.MaxPageSize == 0 {
		o.MaxPageSize = 100
	}
	if o.DateFormats == nil {
		o.DateFormats = []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly}
	}
	return o
}

// SetList changes how cpgOrderList reads its request from the next call on.
func (e *EMTA) SetList(o ListOptions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.List = o.withDefaults()
}

func (e *EMTA) list(req *message, m Mischief) (func(*etree.Element), *refusedCall) {
	found, refusal := e.selected(req, m)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := e.o.List.sort(found, textOf(req.body, "sort")); refusal != nil {
		return nil, refusal
	}
	page, refusal := e.o.List.page(found, req.body)
	if refusal != nil {
		return nil, refusal
	}
	return func(response *etree.Element) {
		response.CreateElement("Meta").CreateElement("Total").SetText(strconv.Itoa(len(found)))
		orders := response.CreateElement("Orders") // empty where there are none, against the schema and as servers do
		for _, o := range page {
			e.writeOrder(orders, o, m)
		}
	}, nil
}

// selected are the merchant's orders that the request's id, state, from and to let through.
func (e *EMTA) selected(req *message, m Mischief) ([]*Order, *refusedCall) {
	from, _, refusal := e.o.List.date(req.body, "from")
	if refusal != nil {
		return nil, refusal
	}
	to, wholeDay, refusal := e.o.List.date(req.body, "to")
	if refusal != nil {
		return nil, refusal
	}
	if wholeDay {
		to = to.AddDate(0, 0, 1)
	}
	exclusive := wholeDay || e.o.List.ExclusiveTo
	id, state := textOf(req.body, "id"), textOf(req.body, "state")
	var found []*Order
	for _, o := range e.orders {
		late := !to.IsZero() && (o.Created.After(to) || exclusive && o.Created.Equal(to))
		switch {
		case o.Merchant != req.client, id != "" && o.ID != id, state != "" && string(o.State) != state:
		case o.Created.Before(from), late:
		case m.HideFromList != "" && o.Stamp == m.HideFromList:
		default:
			found = append(found, o)
		}
	}
	return found, nil
}

// date reads from or to; zero when absent.
func (o ListOptions) date(body *etree.Element, field string) (at time.Time, wholeDay bool, refusal *refusedCall) {
	written := textOf(body, field)
	if written == "" {
		return time.Time{}, false, nil
	}
	for _, layout := range o.DateFormats {
		if t, err := time.Parse(layout, written); err == nil {
			return t, !strings.Contains(layout, "15"), nil
		}
	}
	return time.Time{}, false, broken(field, "is not a date that this service reads")
}

var sortFields = map[string]func(a, b *Order) int{
	"created": func(a, b *Order) int { return a.Created.Compare(b.Created) },
	"expires": func(a, b *Order) int { return a.Expires.Compare(b.Expires) },
	"amount":  func(a, b *Order) int { return a.Amount.Cmp(b.Amount) },
	"id":      func(a, b *Order) int { return cmp.Compare(a.ID, b.ID) },
}

func (o ListOptions) sort(orders []*Order, by string) *refusedCall {
	words := strings.FieldsFunc(strings.ToLower(by), func(r rune) bool { return strings.ContainsRune(" ,:", r) })
	field, descending := "", false
	if len(words) > 0 {
		field, descending = strings.CutPrefix(words[0], "-")
		descending = descending || len(words) > 1 && words[1] == "desc"
	}
	compare, known := sortFields[field]
	if !known && by != "" && o.StrictSort {
		return broken("sort", "is not an order that this service knows")
	}
	if !known {
		compare, descending = sortFields["created"], o.NewestFirst
	}
	slices.SortStableFunc(orders, compare)
	if descending {
		slices.Reverse(orders)
	}
	return nil
}

func (o ListOptions) page(orders []*Order, body *etree.Element) ([]*Order, *refusedCall) {
	size, refusal := number(body, "count", o.PageSize)
	if refusal != nil {
		return nil, refusal
	}
	page, refusal := number(body, "page", o.FirstPage)
	if refusal != nil {
		return nil, refusal
	}
	if size < 1 || page < o.FirstPage {
		return nil, broken("page", "page or count is too small")
	}
	size = min(size, o.MaxPageSize)
	first := min((page-o.FirstPage)*size, len(orders))
	return orders[first:min(first+size, len(orders))], nil
}

func number(body *etree.Element, field string, absent int) (int, *refusedCall) {
	written := textOf(body, field)
	if written == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(written)
	if err != nil || n > 1_000_000 { // far above any page; keeps page times count from overflowing
		return 0, broken(field, "must be a whole number")
	}
	return n, nil
}
