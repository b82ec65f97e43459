package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// securityServer connects, makes the handshake as the program does, and asks for any answer: one has the time of day.
func (d *doctor) securityServer(ctx context.Context, found *diagnosis) {
	const check = "security server"
	t, ok := d.target("xroad.securityServer", d.settings.XRoad.SecurityServer)
	if !ok {
		found.warn(check, "set xroad.securityServer to the URL of our security server", "is not set: nothing can be sent over X-Road")
		return
	}
	conn, err := d.dial(ctx, "tcp", t.address())
	if err != nil {
		found.fail(check, adviceDial(err, t), "%s cannot be reached: %v", t.said, err)
		return
	}
	defer conn.Close()
	found.ok(check, "%s can be reached", t.said)
	config, err := d.settings.securityServerTLS()
	if err != nil {
		return // told by the check of the files
	}
	var shown []*x509.Certificate
	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		shown = state.PeerCertificates
		return verify(state)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.settings.XRoad.SecurityServer, nil)
	if err != nil {
		found.fail(check, "write it as http://HOST:PORT or https://HOST:PORT", "the URL cannot be used")
		return
	}
	begin := d.now()
	reached := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	answer, err := (&http.Transport{DialContext: reached, TLSClientConfig: config, DisableKeepAlives: true}).RoundTrip(r)
	d.pinnedOnListener(found, shown)
	if err != nil {
		what, advice := d.adviceTLS(err, t, "xroad.tls", shown)
		found.fail(check+" TLS", advice, "%s", what)
		return
	}
	_ = answer.Body.Close()      // its header is enough
	if t.url.Scheme == "https" { // it may compare our certificate only when it knows the client, from a message (fact sheet §5.1)
		found.ok(check+" TLS", "its certificate is accepted; whether it knows ours shows at the metaservices")
	}
	if media := answer.Header.Get("Content-Type"); !strings.Contains(media, "xml") && !strings.Contains(media, "json") {
		advice := "check host and port in xroad.securityServer: they are those for information systems, not of the administrators' page (4000)"
		if answer.StatusCode == http.StatusBadRequest && t.url.Scheme == "http" {
			advice = "it may want TLS: write https:// in xroad.securityServer, and set xroad.tls"
		}
		found.warn(check+" answer", advice, "what answers does not look like a security server: HTTP %d, content type %q", answer.StatusCode, media)
	}
	d.clock(found, answer.Header.Get("Date"), begin)
}

// pinnedOnListener: a security server shows the same certificate when it is called and when it calls us (fact sheet §§4.1, 5.1).
func (d *doctor) pinnedOnListener(found *diagnosis, shown []*x509.Certificate) {
	const key = "listen.tls.xroad"
	if len(shown) == 0 {
		return
	}
	i, err := d.settings.Listen.TLS.XRoad.load(key)
	if err != nil || len(i.pinned) == 0 {
		return
	}
	if !slices.ContainsFunc(i.pinned, shown[0].Equal) {
		found.fail("certificate "+key, "put the security server's internal TLS certificate (its administrator exports it) into the file of listen.tls.xroad.pinned, or what it sends us is refused",
			"the security server's certificate (SHA-256 %s) is not in the file of listen.tls.xroad.pinned", fingerprint(shown[0]))
		return
	}
	found.ok("certificate "+key, "the security server's is the pinned one")
}

// clock compares ours with the security server's, which is signed with.
func (d *doctor) clock(found *diagnosis, date string, begin time.Time) {
	const failSkew = time.Minute // X-Road's time-stamps and our orders' ends go by minutes
	theirs, err := http.ParseTime(date)
	if err != nil {
		found.warn("clock", "compare it by hand with a time server", "the security server's answer has no date to compare with")
		return
	}
	now := d.now()
	ours := begin.Add(now.Sub(begin) / 2)
	skew := ours.Sub(theirs).Round(time.Second)
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	const advice = "run a time service (chrony, systemd-timesyncd) on this machine; if its time is right, tell the security server's administrator"
	switch tried := fmt.Sprintf("ours is %s %s the security server's", skew.Abs(), direction); {
	case skew.Abs() > failSkew:
		found.fail("clock", advice, "%s", tried)
	case skew.Abs() > maxSkew:
		found.warn("clock", advice, "%s", tried)
	default:
		found.ok("clock", "is the security server's within %s", maxSkew)
	}
}

// webhook connects to the core's webhook and makes the handshake. It sends no event.
func (d *doctor) webhook(ctx context.Context, found *diagnosis) {
	const check = "webhook"
	t, ok := d.target("core.webhook.url", d.settings.Core.Webhook.URL)
	if !ok {
		return // events wait in the feed
	}
	conn, err := d.dial(ctx, "tcp", t.address())
	if err != nil {
		found.fail(check, adviceDial(err, t), "%s cannot be reached: %v", t.said, err)
		return
	}
	defer conn.Close()
	found.ok(check, "%s can be reached", t.said)
	i, err := d.settings.Core.Webhook.TLS.load("core.webhook.tls")
	if t.url.Scheme != "https" || err != nil {
		return // an error is told by the check of the files
	}
	config := clientConfig(t.url.Hostname(), func() *identity { return i })
	var shown []*x509.Certificate
	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		shown = state.PeerCertificates
		return verify(state)
	}
	secured := tls.Client(conn, config)
	err = secured.HandshakeContext(ctx)
	if err == nil { // TLS 1.3 refuses our certificate after our side is done
		_ = secured.SetReadDeadline(time.Now().Add(refusalTime))
		if _, err = secured.Read(make([]byte, 1)); remoteAlert(err) == "" {
			err = nil
		}
	}
	if err != nil {
		what, advice := d.adviceTLS(err, t, "core.webhook.tls", shown)
		found.fail(check+" TLS", advice, "%s", what)
		return
	}
	found.ok(check+" TLS", "both sides accept each other's certificates")
}

// refusalTime is how long a server may take to refuse a client certificate.
const refusalTime = 500 * time.Millisecond

// adviceTLS says what went wrong between connecting and the answer, and what to do. shown are the server's certificates.
func (d *doctor) adviceTLS(err error, t target, key string, shown []*x509.Certificate) (what, advice string) {
	var plain tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch alert := remoteAlert(err); {
	case errors.As(err, &plain):
		return t.said + " does not speak TLS at this port", "write http:// in " + t.key + ", or the port that speaks TLS"
	case t.url.Scheme == "http":
		return fmt.Sprintf("%s gave no HTTP answer: %v", t.said, err), "if the port speaks TLS, write https:// in " + t.key + " and set " + key
	case alert != "":
		advice = "have the certificate of " + key + ".cert accepted there, or set " + key + ".cert and .key to one that is"
		if key == "xroad.tls" {
			advice = "give the certificate of xroad.tls.cert to the security server's administrator, for our subsystem's internal servers (information system TLS certificates)"
		}
		return fmt.Sprintf("%s refused our certificate (%s)", t.said, alert), advice
	case errors.Is(err, errNotPinned):
		return err.Error(), "compare its SHA-256 with the administrator's; if it is right, put the certificate into the file of " + key + ".pinned: it was renewed, or the file is another server's"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate of " + t.said + " has ended, or is not valid yet", "have it renewed there, check this machine's clock, or compare it instead with " + key + ".pinned"
	case errors.As(err, &name):
		return err.Error(), "write a name in " + t.key + " that its certificate has, or compare the certificate with " + key + ".pinned: a security server's has any name"
	case errors.As(err, &unknown) && len(shown) == 1 && !selfSigned(shown[0]):
		return "the issuer of the certificate of " + t.said + ", " + shown[0].Issuer.CommonName + ", is not known here, or the chain it shows is incomplete",
			"have the intermediate certificates added there, put the CA into the file of " + key + ".ca, or compare the certificate with " + key + ".pinned"
	case errors.As(err, &unknown):
		return "the certificate of " + t.said + " was issued by nobody known here", "security servers make theirs themselves: have it exported and set " + key + ".pinned to the file; of a CA's set " + key + ".ca"
	case errors.Is(err, io.EOF), isTimeout(err):
		return fmt.Sprintf("%s gave no answer: %v", t.said, err), "check that the port is the one for information systems, and look into the log there"
	}
	return fmt.Sprintf("%s gave no answer: %v", t.said, err), "check " + t.key + " and " + key + ", and look into the log there"
}

func selfSigned(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
