package simulator

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// restPrefix is where REST messages go (fact sheet §6.1).
const restPrefix = "/r1/"

// notForwarded are the fields that a security server drops or writes itself, both ways (fact sheet §6.3).
var notForwarded = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "Host", "User-Agent", "Server", "Content-Length", "Expect", "X-Road-Request-Id", "X-Road-Request-Hash"}

// restMessage is one REST request as a security server reads it.
type restMessage struct {
	client  xroadhdr.ClientID
	service xroadhdr.ServiceID
	target  string // what follows the service code, with the query, as it came
	request *http.Request
	body    []byte
}

// serveREST answers a client's information system over REST. Errors of its own carry X-Road-Error.
func (s *SecurityServer) serveREST(w http.ResponseWriter, r *http.Request) {
	m, err := readREST(w, r)
	if err == nil {
		err = s.exchangeREST(w, m)
	}
	if err != nil {
		s.restError(w, err)
	}
}

// readREST splits the address and reads the client. The error is a *faultError (fact sheet §6.6).
func readREST(w http.ResponseWriter, r *http.Request) (*restMessage, error) {
	path, query, asked := strings.Cut(strings.TrimPrefix(r.RequestURI, restPrefix), "?")
	parts := strings.SplitN(path, "/", 6)
	if len(parts) < 5 {
		return nil, internal("the address must have five parts after r1")
	}
	decoded, err := decodedParts(parts[:5])
	if err != nil {
		return nil, internal(err.Error())
	}
	m := &restMessage{request: r, service: xroadhdr.ServiceID{Instance: decoded[0], MemberClass: decoded[1], MemberCode: decoded[2], SubsystemCode: decoded[3], ServiceCode: decoded[4]}}
	if len(parts) == 6 {
		m.target = "/" + parts[5]
	}
	if asked {
		m.target += "?" + query
	}
	clients := r.Header.Values("X-Road-Client")
	if len(clients) == 0 {
		return nil, &faultError{code: "Server.ClientProxy.InvalidClientIdentifier", text: "the request has no X-Road-Client"}
	}
	client, err := decodedParts(strings.Split(clients[len(clients)-1], "/")) // of several it takes the last (issue #1177)
	if err != nil || len(client) < 3 || len(client) > 4 {
		return nil, internal("X-Road-Client cannot be read")
	}
	m.client = xroadhdr.ClientID{Instance: client[0], MemberClass: client[1], MemberCode: client[2]}
	if len(client) == 4 {
		m.client.SubsystemCode = client[3]
	}
	if m.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes)); err != nil {
		return nil, internal("reading the request failed")
	}
	return m, nil
}

func internal(text string) *faultError {
	return &faultError{code: "Server.ClientProxy.InternalError", text: text}
}

func decodedParts(parts []string) ([]string, error) {
	decoded := make([]string, len(parts))
	for i, part := range parts {
		var err error
		if decoded[i], err = url.PathUnescape(part); err != nil || strings.TrimSpace(decoded[i]) == "" {
			return nil, errors.New("a part of an identifier is blank or wrongly encoded")
		}
	}
	return decoded, nil
}

// exchangeREST checks the rights, calls the provider and passes its answer on. The error is a *faultError.
func (s *SecurityServer) exchangeREST(w http.ResponseWriter, m *restMessage) error {
	if isMetaservice(m.service) && m.request.Method == http.MethodGet {
		return s.describeREST(w, m)
	}
	service, err := s.route(&message{client: m.client, service: m.service})
	if err != nil {
		return err
	}
	timeout := service.Timeout
	if timeout == 0 {
		timeout = defaultServiceTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.request.Context()), timeout)
	defer cancel()
	out, err := m.forwarded(ctx, service.URL, s.newID)
	if err != nil {
		return &faultError{code: "Server.ServerProxy.ServiceMalformedUrl", text: "the URL of the service is malformed"}
	}
	answer, err := s.transportOf(service).RoundTrip(out)
	if err != nil {
		return s.restTransportFault(err)
	}
	defer func() { _ = answer.Body.Close() }() // read to the end or given up
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxMessageBytes))
	if err != nil {
		return s.restTransportFault(err)
	}
	copyFields(w.Header(), answer.Header)
	// The provider's security server sets these, whatever the provider said (fact sheet §6.2).
	w.Header().Set("X-Road-Client", m.request.Header.Values("X-Road-Client")[0])
	w.Header().Set("X-Road-Service", encodedService(m.service))
	w.Header().Set("X-Road-Id", out.Header.Get("X-Road-Id"))
	w.Header().Set("X-Road-Request-Id", out.Header.Get("X-Road-Request-Id"))
	sum := sha512.Sum512(m.body)
	w.Header().Set("X-Road-Request-Hash", base64.StdEncoding.EncodeToString(sum[:])) // opaque to everybody (fact sheet §6.4)
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body) // whoever does not read it asks again
	return nil
}

// restTransportFault has the codes of REST, which lack SOAP's ServiceFailed (fact sheet §6.6).
func (s *SecurityServer) restTransportFault(err error) error {
	var f *faultError
	if errors.As(s.transportFault(err), &f) {
		return &faultError{code: strings.Replace(f.code, ".ServiceFailed", "", 1), text: f.text}
	}
	return internal("the provider's answer failed")
}

// forwarded is the request that the provider gets.
func (m *restMessage) forwarded(ctx context.Context, base string, newID func() string) (*http.Request, error) {
	target := strings.TrimSuffix(base, "/") + m.target // a double slash at the seam is one
	var body io.Reader
	switch m.request.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch: // bodies of others are not delivered
		body = bytes.NewReader(m.body)
	}
	out, err := http.NewRequestWithContext(ctx, m.request.Method, target, body)
	if err != nil {
		return nil, err
	}
	copyFields(out.Header, m.request.Header)
	out.Header.Set("X-Road-Request-Id", newID())
	if out.Header.Get("X-Road-Id") == "" {
		out.Header.Set("X-Road-Id", m.client.Instance+"-"+newID())
	}
	out.Header["User-Agent"] = nil
	return out, nil
}

func copyFields(to, from http.Header) {
	for name, values := range from {
		to[name] = append([]string(nil), values...)
	}
	for _, name := range notForwarded {
		to.Del(name)
	}
}

func encodedService(s xroadhdr.ServiceID) string {
	parts := []string{s.Instance, s.MemberClass, s.MemberCode, s.SubsystemCode, s.ServiceCode}
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// restError answers as a security server does: its code in X-Road-Error and in JSON (fact sheet §6.5).
func (s *SecurityServer) restError(w http.ResponseWriter, err error) {
	var fault *faultError
	if !errors.As(err, &fault) {
		fault = internal(err.Error())
	}
	s.mu.Lock()
	spelling := s.spelling
	s.mu.Unlock()
	code := spelling.write(fault.code)
	status := http.StatusBadRequest
	if strings.HasPrefix(code, "Server.") || strings.HasPrefix(code, "server.") {
		status = http.StatusInternalServerError
	}
	body, err := json.Marshal(map[string]string{"type": code, "message": fault.text, "detail": s.newID()})
	if err != nil {
		panic(fmt.Sprintf("an error of strings cannot be written: %v", err))
	}
	w.Header().Set("X-Road-Error", code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // likewise
}
