package order

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Settings of the payment module. A zero field means its default.
type Settings struct {
	Client       xroadhdr.ClientID // who we are
	Provider     xroadhdr.ClientID // EMTA's subsystem; zero: no payment can be started
	Version      string            // of EMTA's services; default "v1"
	Issue        string            // EMTA reads it as the merchant code; "": not sent
	UserID       string            // "": not sent
	MerchantName string            // as EMTA told it
	ShortStamp   bool              // the merchant is of the TKT or customs kind: a stamp has at most 10 characters
	Description  Description

	Timeout       time.Duration // of one call; default 90 s
	ReuseMinimum  time.Duration // an order with less time left is not reused; default 3 min
	DefaultExpiry time.Duration // where EMTA names no end; default 15 min

	Delays     []time.Duration // between polls while an order may still be paid; the last one repeats
	ListDelays []time.Duration // between lists while an order's outcome is unknown; the last one repeats
	Parallel   int             // calls to EMTA at a time; default 4

	FirstOffer time.Duration // until an unconfirmed completion is offered again; default 10 min, doubling
	LastOffer  time.Duration // the most that it doubles to; default 24 h

	List ListSettings

	NotifyNamespace string            // of the notify service; default "http://tkt.x-road.eu"
	NotifyProvider  xroadhdr.ClientID // who we are as provider; zero: only the service code is checked
}

// Description is the text of an order per language; {id} stands for our key. At most 75 characters with the id in place.
type Description struct{ ET, EN, RU string }

// ListSettings are what no document says of cpgOrderList's parameters (EMTA §7; divergences).
type ListSettings struct {
	DateFormat string // Go layout of from and to; default RFC 3339 in Estonian time
	FirstPage  int    // number of the first page; default 0
	Count      int    // orders a page; default 100
	Sort       string // "": not sent
}

// initMargin is how long after its timeout an Init may still take effect at EMTA before a new
// start looks for it (EMTA §4, init_deadline).
const initMargin = 30 * time.Second

// ErrNotConfigured says that EMTA's or our own X-Road identifier is not set.
var ErrNotConfigured = errors.New("EMTA's payment module is not configured: set emta.service and xroad.client")

// WithDefaults returns the settings with zero fields filled in, or says which is wrong.
func (s Settings) WithDefaults() (Settings, error) {
	set(&s.Version, "v1")
	set(&s.Description.ET, "Ametlikud Teadaanded. Teadaande avaldamine. Makse '{id}'.")
	set(&s.Description.EN, "Official Announcements. Publishing a notice. Payment '{id}'.")
	set(&s.Description.RU, "Официальные объявления. Публикация. Платёж '{id}'.")
	set(&s.Timeout, 90*time.Second)
	set(&s.ReuseMinimum, 3*time.Minute)
	set(&s.DefaultExpiry, 15*time.Minute)
	set(&s.Parallel, 4)
	set(&s.FirstOffer, 10*time.Minute)
	set(&s.LastOffer, 24*time.Hour)
	set(&s.List.DateFormat, time.RFC3339)
	set(&s.List.Count, 100)
	set(&s.NotifyNamespace, "http://tkt.x-road.eu")
	if len(s.Delays) == 0 {
		s.Delays = []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 2 * time.Minute}
	}
	if len(s.ListDelays) == 0 {
		s.ListDelays = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	}
	times := []time.Duration{s.Timeout, s.ReuseMinimum, s.DefaultExpiry, s.FirstOffer, s.LastOffer}
	for _, d := range append(append(times, s.Delays...), s.ListDelays...) {
		if d <= 0 {
			return s, fmt.Errorf("%s is not a positive duration", d)
		}
	}
	if s.Parallel < 1 || s.List.Count < 1 {
		return s, errors.New("the calls at a time and the orders a page must be at least 1")
	}
	for name, text := range map[string]string{"ET": s.Description.ET, "EN": s.Description.EN, "RU": s.Description.RU} {
		// A key may grow to 10 digits where the stamp is short, to 19 where it is not.
		longest := strings.ReplaceAll(text, "{id}", strings.Repeat("9", s.maxStamp()))
		if n := utf8.RuneCountInString(longest); n > maxDescription {
			return s, fmt.Errorf("the description in %s has up to %d characters, at most %d are allowed", name, n, maxDescription)
		}
	}
	return s, nil
}

// set gives *field the value def if it has none.
func set[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// maxStamp is how many digits our key may have as Merchant/Stamp.
func (s Settings) maxStamp() int {
	if s.ShortStamp {
		return 10
	}
	return 19 // a bigint; EMTA would take 128
}

func (s Settings) configured() bool {
	return s.Provider != xroadhdr.ClientID{} && s.Client != xroadhdr.ClientID{}
}
