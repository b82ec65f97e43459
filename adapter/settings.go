package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Settings are the program's settings (design §9), read once at start. The zero value of a field means its default.
// Every field can be set from the environment too: ADAPTER_ and the keys' names in capitals, joined by _.
type Settings struct {
	Listen Listen `yaml:"listen"`
	Store  string `yaml:"store"`
	XRoad  XRoad  `yaml:"xroad"`
	EMTA   EMTA   `yaml:"emta"`
	Core   Core   `yaml:"core"`
	Log    Log    `yaml:"log"`
}

// Listen holds the addresses of the three listeners, host:port. Port 0 takes a free one.
type Listen struct {
	XRoad string `yaml:"xroad"` // what the security server calls
	Core  string `yaml:"core"`  // the internal API
	Ops   string `yaml:"ops"`   // metrics, status, health

	Drain time.Duration `yaml:"drain"` // from being told to stop, and saying so on /readyz, until nothing more is taken
}

// XRoad is our side of X-Road.
type XRoad struct {
	SecurityServer string   `yaml:"securityServer"` // URL of our own security server
	Client         string   `yaml:"client"`         // our subsystem, instance/class/member/subsystem
	AllowedClients []string `yaml:"allowedClients"` // who may call us; empty: whoever our security server lets through
	TrustNetwork   bool     `yaml:"trustNetwork"`   // only the security server can reach the xroad listener
	RequestHash    string   `yaml:"requestHash"`    // report or refuse
	Address        string   `yaml:"address"`        // URL of the xroad listener as the security server sees it, for WSDLs
	TLS            TLS      `yaml:"tls"`            // to the security server
}

// TLS names PEM files for an https security server.
type TLS struct {
	Cert string `yaml:"cert"` // our certificate, which is uploaded to our client at the security server
	Key  string `yaml:"key"`  // its private key
	CA   string `yaml:"ca"`   // what the security server's certificate is trusted by; usually that very certificate
}

// EMTA is the payment module (EMTA §§2-7).
type EMTA struct {
	Service         string        `yaml:"service"` // the provider's subsystem
	Version         string        `yaml:"version"`
	Issue           string        `yaml:"issue"`
	UserID          string        `yaml:"userId"`
	MerchantName    string        `yaml:"merchantName"`
	MerchantKind    string        `yaml:"merchantKind"` // other or tkt
	Description     Description   `yaml:"description"`
	NotifyNamespace string        `yaml:"notifyNamespace"`
	AllowedClients  []string      `yaml:"allowedClients"` // who may notify; narrower than xroad.allowedClients
	Timeout         time.Duration `yaml:"timeout"`
	ReuseMinimum    time.Duration `yaml:"reuseMinimum"`
	DefaultExpiry   time.Duration `yaml:"defaultExpiry"`
	Sync            Sync          `yaml:"sync"`
	List            List          `yaml:"list"`
}

// Description is an order's text per language; {id} stands for our key.
type Description struct {
	ET string `yaml:"et"`
	EN string `yaml:"en"`
	RU string `yaml:"ru"`
}

// Sync is how often EMTA is asked.
type Sync struct {
	Delays     []time.Duration `yaml:"delays"`
	ListDelays []time.Duration `yaml:"listDelays"`
	Parallel   int             `yaml:"parallel"`
}

// List is what no document says of cpgOrderList (divergences).
type List struct {
	DateFormat string `yaml:"dateFormat"` // Go layout
	FirstPage  int    `yaml:"firstPage"`
	Count      int    `yaml:"count"`
	Sort       string `yaml:"sort"`
}

// Core is the AT core application.
type Core struct {
	Tokens     []Token    `yaml:"tokens"`
	TokenFile  string     `yaml:"tokenFile"` // made at the first start where no tokens are set
	Webhook    Webhook    `yaml:"webhook"`
	ClaimOffer ClaimOffer `yaml:"claimOffer"`
}

// Token is a bearer token of the internal API, by its hash.
type Token struct {
	Name    string    `yaml:"name"`
	SHA256  string    `yaml:"sha256"` // of the token, hexadecimal
	Scopes  []string  `yaml:"scopes"` // orders, events, or * for all
	Expires time.Time `yaml:"expires"`
}

// Webhook is where events are sent; without a URL they wait in the feed.
type Webhook struct {
	URL    string `yaml:"url"`
	Secret string `yaml:"secret"` // whsec_ and Base64
}

// ClaimOffer is how often a completion is offered until it is confirmed.
type ClaimOffer struct {
	First time.Duration `yaml:"first"`
	Last  time.Duration `yaml:"last"`
}

// Log is the application log.
type Log struct {
	Level string `yaml:"level"` // debug, info, warn, error
}

// defaultSettings start on design §8's addresses with a database beside the program's working folder. What package
// order has a default for is its default.
func defaultSettings() Settings {
	orders, err := order.Settings{}.WithDefaults()
	if err != nil {
		panic(err) // its own defaults are right
	}
	return Settings{
		Listen: Listen{XRoad: "127.0.0.1:8080", Core: "127.0.0.1:8081", Ops: "127.0.0.1:9090"},
		Store:  "sqlite:adapter.db",
		XRoad:  XRoad{RequestHash: string(soap.ReportHash)},
		EMTA: EMTA{
			Version: orders.Version, MerchantKind: "other", Description: Description(orders.Description),
			NotifyNamespace: orders.NotifyNamespace,
			Timeout:         orders.Timeout, ReuseMinimum: orders.ReuseMinimum, DefaultExpiry: orders.DefaultExpiry,
			Sync: Sync{Delays: orders.Delays, ListDelays: orders.ListDelays, Parallel: orders.Parallel},
			List: List(orders.List),
		},
		Core: Core{TokenFile: "adapter.token", ClaimOffer: ClaimOffer{First: orders.FirstOffer, Last: orders.LastOffer}},
		Log:  Log{Level: "info"},
	}
}

// loadSettings reads the file over the defaults, and the environment over both. An empty path means no file. environ is as
// os.Environ gives it.
func loadSettings(path string, environ []string) (Settings, error) {
	s := defaultSettings()
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return s, fmt.Errorf("settings: %w", err)
		}
		if err := decodeSettings(text, &s); err != nil {
			return s, fmt.Errorf("settings file %s: %w", path, err)
		}
	}
	if err := overrideFromEnvironment(&s, environ); err != nil {
		return s, err
	}
	return s, s.check()
}

// decodeSettings is strict: an unknown key is an error that names it and its line.
func decodeSettings(text []byte, s *Settings) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return readableYAML(err)
	}
	if err := decoder.Decode(new(Settings)); !errors.Is(err, io.EOF) {
		return errors.New("must hold one document")
	}
	return nil
}

// readableYAML says "unknown key" where the library speaks of Go types.
func readableYAML(err error) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return err
	}
	var lines []string
	for _, line := range typed.Errors {
		if at, rest, ok := strings.Cut(line, ": field "); ok {
			key, _, _ := strings.Cut(rest, " ")
			line = at + ": unknown key " + key
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "; "))
}

// settingError names the key that is wrong.
type settingError struct{ key, rule string }

func (e *settingError) Error() string { return "setting " + e.key + " " + e.rule }

// check refuses settings that cannot work or are not safe (design §8).
func (s Settings) check() error {
	for key, address := range map[string]string{"listen.xroad": s.Listen.XRoad, "listen.core": s.Listen.Core, "listen.ops": s.Listen.Ops} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return &settingError{key, "must be host:port"}
		}
	}
	if s.Listen.Drain < 0 {
		return &settingError{"listen.drain", "must not be negative"}
	}
	orders, err := s.orderSettings()
	if err != nil {
		return err
	}
	if _, err := orders.WithDefaults(); err != nil {
		return fmt.Errorf("settings of emta and core.claimOffer: %w", err)
	}
	if _, err := s.allowed(); err != nil {
		return err
	}
	if s.XRoad.RequestHash != string(soap.ReportHash) && s.XRoad.RequestHash != string(soap.RefuseHash) {
		return &settingError{"xroad.requestHash", "must be report or refuse"}
	}
	if (s.XRoad.TLS.Cert == "") != (s.XRoad.TLS.Key == "") {
		return &settingError{"xroad.tls", "needs cert and key together"}
	}
	if s.EMTA.Service != "" && (s.XRoad.Client == "" || s.XRoad.SecurityServer == "") {
		return &settingError{"emta.service", "needs xroad.client and xroad.securityServer"}
	}
	if s.Core.Webhook.URL != "" && s.Core.Webhook.Secret == "" {
		return &settingError{"core.webhook.secret", "must be given where the webhook's url is"}
	}
	if _, err := logLevel(s.Log.Level); err != nil {
		return err
	}
	// Whoever reaches the xroad listener can write any X-Road header.
	if !loopback(s.Listen.XRoad) && (!s.XRoad.TrustNetwork || len(s.XRoad.AllowedClients)+len(s.EMTA.AllowedClients) == 0) {
		return &settingError{"listen.xroad", "is not a loopback address: set xroad.trustNetwork: true and xroad.allowedClients, " +
			"if only the security server can reach it"}
	}
	return nil
}

// loopback reports whether an address can be reached from this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// orderSettings are the settings of package order.
func (s Settings) orderSettings() (order.Settings, error) {
	o := order.Settings{
		Version: s.EMTA.Version, Issue: s.EMTA.Issue, UserID: s.EMTA.UserID, MerchantName: s.EMTA.MerchantName,
		Description: order.Description(s.EMTA.Description),
		Timeout:     s.EMTA.Timeout, ReuseMinimum: s.EMTA.ReuseMinimum, DefaultExpiry: s.EMTA.DefaultExpiry,
		Delays: s.EMTA.Sync.Delays, ListDelays: s.EMTA.Sync.ListDelays, Parallel: s.EMTA.Sync.Parallel,
		FirstOffer: s.Core.ClaimOffer.First, LastOffer: s.Core.ClaimOffer.Last,
		List:            order.ListSettings(s.EMTA.List),
		NotifyNamespace: s.EMTA.NotifyNamespace,
	}
	switch s.EMTA.MerchantKind {
	case "other":
	case "tkt":
		o.ShortStamp = true
	default:
		return o, &settingError{"emta.merchantKind", "must be other or tkt"}
	}
	var err error
	if s.XRoad.Client != "" {
		if o.Client, err = clientID("xroad.client", s.XRoad.Client); err != nil {
			return o, err
		}
	}
	if s.EMTA.Service != "" {
		if o.Provider, err = clientID("emta.service", s.EMTA.Service); err != nil {
			return o, err
		}
	}
	return o, nil
}

func clientID(key, text string) (xroadhdr.ClientID, error) {
	id, err := xroadhdr.ParseClientID(text)
	if err == nil {
		err = id.Validate()
	}
	if err != nil {
		return id, fmt.Errorf("setting %s: %w", key, err)
	}
	return id, nil
}

// allowed says which X-Road clients may notify us, nil for all that our security server lets through.
func (s Settings) allowed() (func(xroadhdr.ClientID) bool, error) {
	lists := map[string][]string{"xroad.allowedClients": s.XRoad.AllowedClients, "emta.allowedClients": s.EMTA.AllowedClients}
	var sets []map[xroadhdr.ClientID]bool
	for key, texts := range lists {
		if len(texts) == 0 {
			continue
		}
		set := map[xroadhdr.ClientID]bool{}
		for _, text := range texts {
			id, err := clientID(key, text)
			if err != nil {
				return nil, err
			}
			set[id] = true
		}
		sets = append(sets, set)
	}
	if len(sets) == 0 {
		return nil, nil
	}
	return func(id xroadhdr.ClientID) bool {
		for _, set := range sets {
			if !set[id] {
				return false
			}
		}
		return true
	}, nil
}
