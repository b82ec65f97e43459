package main

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Settings are the program's settings (design §9), read at start. A key is added here, with its default in defaultSettings: the
// comments are the reference page's text, the tag `setting` says whether a value is secret, a url (shown without its user) or live (taken over while the program runs), and the tag `one` lists what is allowed. Every field can be set from the
// environment too: ADAPTER_ and the keys' names in capitals, joined by _.
type Settings struct {
	Listen Listen `yaml:"listen"`
	Store  string `yaml:"store" setting:"url"` // the database: `sqlite:PATH`, or `postgres://…` ([operations on PostgreSQL](operations-postgres.md))
	XRoad  XRoad  `yaml:"xroad"`
	EMTA   EMTA   `yaml:"emta"`

	Paasuke Paasuke `yaml:"paasuke"`

	Core Core `yaml:"core"`
	Ops  Ops  `yaml:"ops"`
	Log  Log  `yaml:"log"`

	Trace Trace `yaml:"trace"`
}

// Listen holds the addresses of the three listeners, host:port. Port 0 takes a free one.
type Listen struct {
	XRoad string `yaml:"xroad"` // what the security server calls; not loopback only with `xroad.trustNetwork` and allowed clients
	Core  string `yaml:"core"`  // the internal API
	Ops   string `yaml:"ops"`   // metrics, status, health

	TLS   ListenTLS     `yaml:"tls"`
	Drain time.Duration `yaml:"drain"` // after SIGTERM `/readyz` says so, and requests are still taken for so long, until whoever spreads them has noticed
}

// ListenTLS is the TLS of each listener; one without a certificate speaks plain HTTP.
type ListenTLS struct {
	XRoad TLS `yaml:"xroad"`
	Core  TLS `yaml:"core"`
	Ops   TLS `yaml:"ops"`
}

// XRoad is our side of X-Road.
type XRoad struct {
	SecurityServer string   `yaml:"securityServer" setting:"url"`    // URL of our own security server; needed for EMTA
	Client         string   `yaml:"client"`                          // our subsystem, `instance/class/member/subsystem`; needed for EMTA. Without it only the service code of a notification is checked
	AllowedClients []string `yaml:"allowedClients" setting:"live"`   // X-Road clients that may call us, a second layer behind the security server's rights; empty: whoever it lets through
	TrustNetwork   bool     `yaml:"trustNetwork"`                    // only the security server can reach the xroad listener
	RequestHash    string   `yaml:"requestHash" one:"report,refuse"` // what becomes of an answer with a missing or wrong requestHash
	Address        string   `yaml:"address"`                         // URL under which the security server reaches the xroad listener; stands in the WSDL; empty: the listener's
	TLS            TLS      `yaml:"tls"`                             // to an https security server
}

// TLS names PEM files: our own certificate, and how the other side's is checked, by its CA or by comparing it.
type TLS struct {
	Cert   string `yaml:"cert" setting:"live"`   // PEM file: our certificate, and after it those that lead to its CA; a listener with one speaks TLS
	Key    string `yaml:"key" setting:"live"`    // PEM file: its private key
	CA     string `yaml:"ca" setting:"live"`     // PEM file: one of these has issued the other side's certificate; without it a listener asks for none, and a server is checked by the machine's CAs
	Pinned string `yaml:"pinned" setting:"live"` // PEM file: the other side's certificate is exactly one of these, whatever its name and dates say; so for security servers, which make theirs themselves
}

// EMTA is the payment module (EMTA §§2-7).
type EMTA struct {
	Service         string        `yaml:"service"`                       // EMTA's subsystem, `instance/class/member/subsystem`. Without it no payment can be started
	Version         string        `yaml:"version"`                       // of EMTA's services
	Issue           string        `yaml:"issue"`                         // EMTA reads it as the merchant code; empty: not sent
	UserID          string        `yaml:"userId"`                        // header userId of our requests; empty: not sent
	MerchantName    string        `yaml:"merchantName"`                  // as EMTA told it; empty: not sent
	MerchantKind    string        `yaml:"merchantKind" one:"other,tkt"`  // of a `tkt` merchant a stamp has at most 10 characters
	Description     Description   `yaml:"description"`                   // of orders
	NotifyNamespace string        `yaml:"notifyNamespace"`               // namespace of the notify service
	AllowedClients  []string      `yaml:"allowedClients" setting:"live"` // X-Road clients that may notify; `xroad.allowedClients` must allow them too
	Timeout         time.Duration `yaml:"timeout"`                       // of one call
	ReuseMinimum    time.Duration `yaml:"reuseMinimum"`                  // an order with less time left is not reused
	DefaultExpiry   time.Duration `yaml:"defaultExpiry"`                 // of an order, where EMTA names no end
	Sync            Sync          `yaml:"sync"`
	List            List          `yaml:"list"`
}

// Description is an order's text per language; {id} stands for our key.
type Description struct {
	ET string `yaml:"et"` // an order's text in Estonian; `{id}` is our key; at most 75 characters
	EN string `yaml:"en"` // in English
	RU string `yaml:"ru"` // in Russian
}

// Sync is how often EMTA is asked.
type Sync struct {
	Delays     []time.Duration `yaml:"delays"`     // between questions about an order that may still be paid
	ListDelays []time.Duration `yaml:"listDelays"` // between lists while an outcome is unknown
	Parallel   int             `yaml:"parallel"`   // background calls to EMTA at a time, over all replicas on one database; payers and operators never wait for one of them
}

// List is what no document says of cpgOrderList (divergences).
type List struct {
	DateFormat string `yaml:"dateFormat"` // of cpgOrderList, as a Go layout; see [divergences](divergences.md)
	FirstPage  int    `yaml:"firstPage"`  // the number of its first page
	Count      int    `yaml:"count"`      // orders on a page
	Sort       string `yaml:"sort"`       // empty: not sent
}

// Paasuke are the mandates that Pääsuke lists and changes (Pääsuke §§1-5).
type Paasuke struct {
	Namespace       string   `yaml:"namespace"`                     // of AT's roles, as RIA gave it
	Roles           []Role   `yaml:"roles"`                         // AT's roles; empty: ESINDAJA, which manages, and AVALDAJA. `adapter mandates roles` prints them for RIA
	AuthorizedRoles []string `yaml:"authorizedRoles"`               // whole roles that let a person act for a representee; empty: the registers' and the managing ones
	ExManager       bool     `yaml:"exManager"`                     // who managed until a few days ago may not list: Pääsuke may not know yet
	EmitNamespace   bool     `yaml:"emitNamespace"`                 // mandates carry their namespace apart; see [divergences](divergences.md)
	Origin          string   `yaml:"origin" setting:"url"`          // where a person sees the mandates
	Problems        string   `yaml:"problems" setting:"url"`        // a page about the types of problems, with an anchor for each; empty: none
	AllowedClients  []string `yaml:"allowedClients" setting:"live"` // X-Road clients that may list and change mandates; `xroad.allowedClients` must allow them too. Without either list nobody may change any
}

// Role is one of AT's roles.
type Role struct {
	Code         string  `yaml:"code"`                          // without its namespace
	Managing     bool    `yaml:"managing"`                      // its holder adds and removes others' mandates
	SubDelegable string  `yaml:"subDelegable" one:"NO,YES,ASK"` // whether it may be passed on; empty: NO
	Title        Wording `yaml:"title"`                         // what people read
	Description  Wording `yaml:"description"`                   // what it is for
}

// Wording is a text in Pääsuke's languages.
type Wording struct {
	ET string `yaml:"et"` // in Estonian; a title must have it
	EN string `yaml:"en"` // in English
	RU string `yaml:"ru"` // in Russian
}

// Core is the AT core application.
type Core struct {
	Tokens       []Token       `yaml:"tokens" setting:"live"`       // bearer tokens of the internal API, several at once, beside those of `adapter token`
	TokenFile    string        `yaml:"tokenFile" setting:"live"`    // file of a token, used, and made at the first start, where `core.tokens` is empty; empty: none
	Certificates []Certificate `yaml:"certificates" setting:"live"` // callers known by their client certificates, who need no token; `listen.tls.core` must be set
	Webhook      Webhook       `yaml:"webhook"`
	ClaimOffer   ClaimOffer    `yaml:"claimOffer"`
	Proxies      []string      `yaml:"proxies"` // networks (`10.0.0.0/8`) whose `X-Forwarded-For` is believed in the security log; whoever else calls is named by its connection
}

// Token is a bearer token of the internal API, by its hash.
type Token struct {
	Name    string    `yaml:"name"`                    // of the caller, for logs
	SHA256  string    `yaml:"sha256" setting:"secret"` // of the token, hexadecimal
	Scopes  []string  `yaml:"scopes"`                  // orders, mandates, events, settings, exchanges, ops, or `*` for all
	Expires time.Time `yaml:"expires"`                 // not valid from then on; empty: never
}

// Certificate is a caller of the internal API by its client certificate.
type Certificate struct {
	Name   string   `yaml:"name"`   // of the caller, for logs
	SHA256 string   `yaml:"sha256"` // of the certificate, hexadecimal: `openssl x509 -noout -fingerprint -sha256`
	Scopes []string `yaml:"scopes"` // as a token's
}

// Ops is the ops listener.
type Ops struct {
	Authenticate bool `yaml:"authenticate"` // `/metrics` and `/status` need a token, or a client certificate of `core.certificates`, with scope ops; `/healthz` and `/readyz` never do
}

// Webhook is where events are sent.
type Webhook struct {
	URL    string `yaml:"url" setting:"url"`       // where events are sent; without it they wait in the feed
	Secret string `yaml:"secret" setting:"secret"` // to sign them: `whsec_` and Base64
	TLS    TLS    `yaml:"tls"`                     // to an https webhook
}

// ClaimOffer is how often a completion is offered until it is confirmed.
type ClaimOffer struct {
	First time.Duration `yaml:"first"` // an unconfirmed completion is offered again after this,
	Last  time.Duration `yaml:"last"`  // doubling to this
}

// Trace is where traces go (NA-102).
type Trace struct {
	Endpoint string `yaml:"endpoint" setting:"url"` // of an OpenTelemetry collector that takes OTLP over HTTP, `http://collector:4318/v1/traces`; empty: no traces are made
	Percent  int    `yaml:"percent"`                // of the traces that begin here, how many are sent; one that the core began goes by its mark
}

// Log is the application log and the exchange log.
type Log struct {
	Level       string               `yaml:"level" one:"debug,info,warn,error" setting:"live"` // what the application log holds; `/api/v1/settings` stands above it
	Levels      map[string]string    `yaml:"levels" setting:"live"`                            // by component, `{order: debug}`; `/api/v1/settings` stands above it
	PersonKey   string               `yaml:"personKey" setting:"secret"`                       // key of the hash that stands for a person in log lines, at least 32 characters. Set it, the same on all replicas, to follow a person's requests over replicas and restarts; without it one is made at each start
	Dir         string               `yaml:"dir"`                                              // folder of the exchange log's files
	Replica     string               `yaml:"replica"`                                          // this process among those that log to the same place; empty: the host's name, numbered where it is taken
	ArchiveDir  string               `yaml:"archiveDir"`                                       // folder of the exchange log's archives
	SigningKey  string               `yaml:"signingKey"`                                       // PEM file of an RSA private key that signs archives and evidence; empty: none can be made
	SigningCert string               `yaml:"signingCert"`                                      // PEM file of its certificate; former ones may follow, so that what they signed is still believed
	SealKey     string               `yaml:"sealKey"`                                          // PEM file of an Ed25519 private key that signs the exchange log's seals; empty: seals are not signed
	MasterKey   string               `yaml:"masterKey"`                                        // file of master keys, each 32 bytes in Base64 on a line of its own, the newest first; content of the exchange log is then encrypted. Empty: it is not
	Mask        LogMask              `yaml:"mask"`                                             // what masked bodies are without
	Systems     map[string]LogSystem `yaml:"systems" setting:"live"`                           // how each external system is logged: emta, paasuke, core; one that is not named keeps its default; `/api/v1/settings` and `adapter log switch` stand above it
}

// LogMask is what the exchange log's masked bodies are without, beside what is always masked.
type LogMask struct {
	Elements []string `yaml:"elements"` // XML elements and attributes by local name, `Isikukood`, or `Customer/Code` for one below another
	Members  []string `yaml:"members"`  // members of JSON and fields of forms by name, `email`, or by path, `payer.code`, `$.code` from the root
}

// LogSystem is how the exchanges with one external system are logged.
type LogSystem struct {
	Sinks      []string `yaml:"sinks"`      // where to: files, tables, stdout; an empty list is off
	Body       string   `yaml:"body"`       // what is kept of bodies: full, masked or digest; empty: full
	KeepMonths int      `yaml:"keepMonths"` // full months that stay beside the current one; older ones are archived and removed by themselves; 0: all stay. Counts from the next start
	Mode       string   `yaml:"mode"`       // required: an exchange that cannot be logged is refused; best-effort: it goes on; empty: the system's default
}

// defaultSettings start on design §8's addresses with a database beside the program's working folder. What package
// order has a default for is its default.
func defaultSettings() Settings {
	orders, err := order.Settings{}.WithDefaults()
	if err != nil {
		panic(err) // its own defaults are right
	}
	mandates, err := mandate.Settings{}.WithDefaults()
	if err != nil {
		panic(err) // likewise
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
		Paasuke: Paasuke{Namespace: mandates.Namespace, ExManager: true, Origin: mandates.Origin},
		Core:    Core{TokenFile: "adapter.token", ClaimOffer: ClaimOffer{First: orders.FirstOffer, Last: orders.LastOffer}},
		Log:     Log{Level: "info", Dir: "logs", ArchiveDir: "archive"},
		Trace:   Trace{Percent: 100},
	}
}

// settingError names the key that is wrong.
type settingError struct{ key, rule string }

func (e *settingError) Error() string { return "setting " + e.key + " " + e.rule }

// check refuses settings that cannot work or are not safe (design §8).
func (s Settings) check() error {
	if err := s.checkChoices(); err != nil {
		return err
	}
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
	if _, err := s.mandateSettings(); err != nil {
		return err
	}
	if _, err := s.allowedToNotify(); err != nil {
		return err
	}
	if _, err := s.allowedMandates(); err != nil {
		return err
	}
	if _, err := s.logSystems(); err != nil {
		return err
	}
	if err := s.checkArchives(); err != nil {
		return err
	}
	if err := s.checkTLS(); err != nil {
		return err
	}
	if s.EMTA.Service != "" && (s.XRoad.Client == "" || s.XRoad.SecurityServer == "") {
		return &settingError{"emta.service", "needs xroad.client and xroad.securityServer"}
	}
	if s.Core.Webhook.URL != "" && s.Core.Webhook.Secret == "" {
		return &settingError{"core.webhook.secret", "must be given where the webhook's url is"}
	}
	for component, level := range s.Log.Levels {
		if _, err := logLevel(level); err != nil {
			return &settingError{"log.levels." + component, "must be debug, info, warn or error"}
		}
	}
	if s.Log.PersonKey != "" && len(s.Log.PersonKey) < minPersonKey {
		return &settingError{"log.personKey", "must have at least 32 characters"}
	}
	if _, err := s.proxies(); err != nil {
		return err
	}
	// Whoever reaches the xroad listener can write any X-Road header.
	if !loopback(s.Listen.XRoad) && !s.Listen.TLS.XRoad.asksClients() &&
		(!s.XRoad.TrustNetwork || len(s.XRoad.AllowedClients)+len(s.EMTA.AllowedClients)+len(s.Paasuke.AllowedClients) == 0) {
		return &settingError{"listen.xroad", "is not a loopback address: pin the security server's certificate in listen.tls.xroad.pinned; " +
			"or set xroad.trustNetwork: true and xroad.allowedClients, if only the security server can reach it"}
	}
	return nil
}

// minPersonKey: with a guessable key, the hash of a personal code is the code.
const minPersonKey = 32

// asksClients reports whether a listener requires client certificates.
func (t TLS) asksClients() bool { return t.Cert != "" && (t.CA != "" || t.Pinned != "") }

func (s Settings) checkTLS() error {
	for key, t := range s.tls() {
		switch {
		case (t.Cert == "") != (t.Key == ""):
			return &settingError{key + ".cert", "needs key as well, and key needs cert"}
		case t.CA != "" && t.Pinned != "":
			return &settingError{key + ".pinned", "stands instead of ca: set one of them"}
		case strings.HasPrefix(key, "listen.") && t.Cert == "" && *t != (TLS{}):
			return &settingError{key + ".cert", "is needed: without it the listener does not speak TLS"}
		}
	}
	if len(s.Core.Certificates) > 0 && s.Listen.TLS.Core.Cert == "" {
		return &settingError{"core.certificates", "needs listen.tls.core"}
	}
	for i, c := range s.Core.Certificates {
		switch at := fmt.Sprintf("core.certificates[%d]", i); {
		case c.Name == "":
			return &settingError{at + ".name", "is needed"}
		case !sha256Hex.MatchString(normalFingerprint(c.SHA256)):
			return &settingError{at + ".sha256", "must be 64 hexadecimal digits"}
		}
	}
	return nil
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

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
		ShortStamp:      s.EMTA.MerchantKind == "tkt",
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

// allowedToNotify says which X-Road clients may notify us, as allowedTo does.
func (s Settings) allowedToNotify() (func(xroadhdr.ClientID) bool, error) {
	return s.allowedTo("emta.allowedClients", s.EMTA.AllowedClients)
}

// allowedMandates says which X-Road clients may use the mandates services, as allowedTo does.
func (s Settings) allowedMandates() (func(xroadhdr.ClientID) bool, error) {
	return s.allowedTo("paasuke.allowedClients", s.Paasuke.AllowedClients)
}

// allowedTo says which X-Road clients may use a service, by xroad.allowedClients and the service's own list, whose key is given. Without
// either it is nil, for all that our security server lets through; nobody where others than it might reach the listener.
func (s Settings) allowedTo(key string, own []string) (func(xroadhdr.ClientID) bool, error) {
	lists := map[string][]string{"xroad.allowedClients": s.XRoad.AllowedClients, key: own}
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
	if len(sets) == 0 && (loopback(s.Listen.XRoad) || s.Listen.TLS.XRoad.asksClients()) {
		return nil, nil
	}
	return func(id xroadhdr.ClientID) bool {
		for _, set := range sets {
			if !set[id] {
				return false
			}
		}
		return len(sets) > 0
	}, nil
}
