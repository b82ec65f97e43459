package simulator

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

const algorithmSHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"

// exchange checks the rights, calls the provider and returns what the client
// receives. The error is a *faultError.
func (s *SecurityServer) exchange(ctx context.Context, req *request) ([]byte, error) {
	if isMetaservice(req.message.service) {
		return s.describe(req)
	}
	service, err := s.route(req.message)
	if err != nil {
		return nil, err
	}
	// The security servers work on when the client has left, so the provider may
	// act on what the client gave up.
	status, header, body, err := s.forward(context.WithoutCancel(ctx), service, req)
	if err != nil {
		return nil, err
	}
	return checkAnswer(req, status, header.Get("Content-Type"), body)
}

func (s *SecurityServer) route(m *message) (Service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	provider := providerOf(m.service)
	if err := s.knows(m.client, provider); err != nil {
		return Service{}, err
	}
	service, ok := s.services[m.service]
	if !ok {
		return Service{}, &faultError{code: "Server.ServerProxy.UnknownService",
			text: fmt.Sprintf("Unknown service: %s", displayService(m.service))}
	}
	if !s.rights[right{m.client, provider, m.service.ServiceCode}] {
		return Service{}, &faultError{code: "Server.ServerProxy.AccessDenied",
			text: fmt.Sprintf("Request is not allowed: %s", displayService(m.service))}
	}
	if service.Disabled != "" {
		return Service{}, &faultError{code: "Server.ServerProxy.ServiceDisabled",
			text: fmt.Sprintf("Service %s is disabled: %s", displayService(m.service), service.Disabled)}
	}
	return service, nil
}

// knows returns the *faultError of a client or provider that is not a member. s.mu is held.
func (s *SecurityServer) knows(client, provider xroadhdr.ClientID) error {
	switch {
	case !s.members[client]:
		return &faultError{code: "Server.ClientProxy.UnknownMember", text: fmt.Sprintf("Client '%s' not found", displayClient(client))}
	case !s.members[provider]:
		return &faultError{code: "Server.ClientProxy.UnknownMember",
			text: fmt.Sprintf("Could not find addresses for service provider \"%s\"", displayClient(provider))}
	}
	return nil
}

func providerOf(s xroadhdr.ServiceID) xroadhdr.ClientID {
	return xroadhdr.ClientID{Instance: s.Instance, MemberClass: s.MemberClass, MemberCode: s.MemberCode, SubsystemCode: s.SubsystemCode}
}

func displayClient(c xroadhdr.ClientID) string {
	kind := "SUBSYSTEM"
	if c.SubsystemCode == "" {
		kind = "MEMBER"
	}
	return display(kind, c.Instance, c.MemberClass, c.MemberCode, c.SubsystemCode)
}

func displayService(s xroadhdr.ServiceID) string {
	return display("SERVICE", s.Instance, s.MemberClass, s.MemberCode, s.SubsystemCode, s.ServiceCode, s.ServiceVersion)
}

// forward posts the message to the backend as fact sheet §4.1 says.
func (s *SecurityServer) forward(ctx context.Context, service Service, req *request) (int, http.Header, []byte, error) {
	timeout := service.Timeout
	if timeout == 0 {
		timeout = defaultServiceTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A reader of unknown type has no length, so the request goes out chunked.
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, service.URL, io.NopCloser(bytes.NewReader(req.body)))
	if err != nil {
		return 0, nil, nil, &faultError{code: "Server.ServerProxy.ServiceMalformedUrl", text: "the URL of the service is malformed"}
	}
	out.Header.Set("Content-Type", req.contentType)
	out.Header["Accept-Encoding"] = []string{""} // present but empty
	if len(req.action) > 0 {
		out.Header["SOAPAction"] = req.action
	}
	answer, err := s.transportOf(service).RoundTrip(out)
	if err != nil {
		return 0, nil, nil, s.transportFault(err)
	}
	defer func() { _ = answer.Body.Close() }() // read to the end or given up
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxMessageBytes))
	if err != nil {
		return 0, nil, nil, s.transportFault(err)
	}
	return answer.StatusCode, answer.Header, body, nil
}

func (s *SecurityServer) transportOf(service Service) http.RoundTripper {
	if service.Transport != nil {
		return service.Transport
	}
	return s.transport
}

// transportFault tells an unreachable provider from one that timed out or broke off.
func (s *SecurityServer) transportFault(err error) error {
	s.mu.Lock()
	spelling := s.spelling
	s.mu.Unlock()
	var dns *net.DNSError
	if errors.As(err, &dns) && spelling == SnakeCase { // its own code only from 7.8 (fact sheet §5.3)
		return &faultError{code: "Server.ServerProxy.ServiceFailed.UnknownHost", text: "the provider's host is unknown"}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && !op.Timeout() {
		return &faultError{code: "Server.ServerProxy.ServiceFailed.NetworkError", text: "the provider cannot be reached"}
	}
	return &faultError{code: "Server.ServerProxy.ServiceFailed.IOError", text: "the provider timed out or broke off"}
}

// checkAnswer is what both security servers do with a provider's answer (fact
// sheet §§2.1, 2.4, 4.3, 4.4).
func checkAnswer(req *request, status int, contentType string, body []byte) ([]byte, error) {
	if status != http.StatusOK && status != http.StatusInternalServerError {
		return nil, &faultError{code: "Server.ServerProxy.ServiceFailed.HttpError",
			text: fmt.Sprintf("Server responded with error %d: %s", status, http.StatusText(status))}
	}
	if media, _, _ := mime.ParseMediaType(contentType); media != "text/xml" {
		return nil, providerError(refused("InvalidContentType", "the provider answered with content type %q", contentType))
	}
	answer, refusal := readMessage(body)
	if refusal != nil {
		return nil, providerError(refusal)
	}
	if answer.fault {
		return body, nil
	}
	if !strings.HasSuffix(answer.body.Tag, "Response") {
		return nil, providerError(refused("InvalidMessage", "the provider's answer is not a response"))
	}
	if field := req.message.differs(answer); field != "" {
		return nil, &faultError{code: "Server.ClientProxy.ServiceFailed.InconsistentResponse",
			text: fmt.Sprintf("the answer's %s is not the request's", field)}
	}
	return rewrite(answer, req.soap), nil
}

func providerError(c *checkError) error {
	return &faultError{code: "Server.ServerProxy.ServiceFailed." + c.Code, text: c.Text}
}

// rewrite serialises an answer anew with the request's hash right after id,
// under id's prefix (fact sheet §§2.3, 3.1).
func rewrite(answer *message, request []byte) []byte {
	var id *etree.Element
	for _, el := range answer.header.ChildElements() {
		switch name, _ := headerField(el); name {
		case "requestHash":
			answer.header.RemoveChild(el)
		case "id":
			id = el
		}
	}
	hash := etree.NewElement("requestHash")
	hash.Space = id.Space
	if a := id.SelectAttr("xmlns"); a != nil && id.Space == "" { // declared on id itself
		hash.CreateAttr("xmlns", a.Value)
	} else if a := id.SelectAttr("xmlns:" + id.Space); a != nil {
		hash.CreateAttr("xmlns:"+id.Space, a.Value)
	}
	hash.CreateAttr("algorithmId", algorithmSHA512)
	hash.SetText(hashOf(request))
	answer.header.InsertChildAt(id.Index()+1, hash)

	out := newDocument()
	out.SetRoot(answer.doc.Root())
	dropInstructions(out.Root())
	return bytesOf(out)
}

func dropInstructions(el *etree.Element) {
	for i := len(el.Child) - 1; i >= 0; i-- {
		switch token := el.Child[i].(type) {
		case *etree.ProcInst:
			el.RemoveChildAt(i)
		case *etree.Element:
			dropInstructions(token)
		}
	}
}

func hashOf(message []byte) string {
	sum := sha512.Sum512(message)
	return base64.StdEncoding.EncodeToString(sum[:])
}
