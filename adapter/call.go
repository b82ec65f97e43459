package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// callCommand sends one X-Road request from the shell, with the header that the settings give, and shows the answer.
type callCommand struct {
	Config  string        `type:"path" placeholder:"FILE" help:"Settings file."`
	Service string        `arg:"" help:"cpgOrderGet, cpgOrderList, cpgOrderCancel, or any service as instance/class/member/subsystem/code[/version]."`
	ID      string        `placeholder:"ID" help:"EMTA's order id, for cpgOrderGet and cpgOrderCancel."`
	From    string        `placeholder:"TIME" help:"For cpgOrderList; as EMTA reads it."`
	To      string        `placeholder:"TIME" help:"For cpgOrderList; as EMTA reads it."`
	Page    string        `placeholder:"N" help:"For cpgOrderList."`
	Count   string        `placeholder:"N" help:"For cpgOrderList."`
	Body    string        `placeholder:"FILE" help:"The request's body, - for standard input: for SOAP the child of Body, for REST anything."`
	REST    string        `name:"rest" placeholder:"METHOD" help:"Call a REST service, with this HTTP method."`
	Path    string        `placeholder:"PATH" help:"For REST: what follows the service code, with the query, already encoded."`
	Type    string        `default:"application/json" placeholder:"TYPE" help:"For REST: the body's media type (${default})."`
	UserID  string        `placeholder:"EE…" help:"Header userId; default from the settings."`
	Issue   string        `placeholder:"TEXT" help:"Header issue; default from the settings."`
	Timeout time.Duration `default:"90s" help:"How long to wait for the answer (${default})."`
	Raw     bool          `help:"Print the answer's body as it came, and nothing else."`
	DryRun  bool          `help:"Print the request and send nothing."`
}

// Run is for kong.
func (c *callCommand) Run(ctx context.Context) error {
	s, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	if s.XRoad.SecurityServer == "" || s.XRoad.Client == "" {
		return errors.New("set xroad.securityServer and xroad.client: they say where to send the request, and who sends it")
	}
	h, err := c.header(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if c.REST != "" {
		return c.callREST(ctx, s, h, os.Stdout)
	}
	return c.callSOAP(ctx, s, h, os.Stdout)
}

// emtaOperations can be called by their name alone.
var emtaOperations = map[string]bool{"cpgOrderGet": true, "cpgOrderList": true, "cpgOrderCancel": true}

// header is the X-Road header of the request, with an id of its own.
func (c *callCommand) header(s Settings) (xroadhdr.Header, error) {
	client, err := clientID("xroad.client", s.XRoad.Client)
	if err != nil {
		return xroadhdr.Header{}, err
	}
	h := xroadhdr.Header{Client: client, ID: uuid.NewString(), ProtocolVersion: xroadhdr.ProtocolVersion,
		UserID: given(c.UserID, s.EMTA.UserID), Issue: given(c.Issue, "")}
	if emtaOperations[c.Service] {
		if s.EMTA.Service == "" {
			return h, errors.New("set emta.service: it says whose " + c.Service + " is meant")
		}
		provider, err := clientID("emta.service", s.EMTA.Service)
		if err != nil {
			return h, err
		}
		h.Service, h.Issue = provider.Service(c.Service, s.EMTA.Version), given(c.Issue, s.EMTA.Issue)
		return h, nil
	}
	h.Service, err = serviceID(c.Service)
	return h, err
}

// serviceID reads instance/class/member/subsystem/code[/version].
func serviceID(text string) (xroadhdr.ServiceID, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 5 && len(parts) != 6 {
		return xroadhdr.ServiceID{}, fmt.Errorf("service %q: must be cpgOrderGet, cpgOrderList, cpgOrderCancel, or instance/class/member/subsystem/code[/version]", text)
	}
	id := xroadhdr.ServiceID{Instance: parts[0], MemberClass: parts[1], MemberCode: parts[2], SubsystemCode: parts[3], ServiceCode: parts[4]}
	if len(parts) == 6 {
		id.ServiceVersion = parts[5]
	}
	if err := id.Validate(); err != nil {
		return id, fmt.Errorf("service %q: %w", text, err)
	}
	return id, nil
}

// given is the first text that is not empty, nil if both are: the field is not sent.
func given(texts ...string) *string {
	for _, text := range texts {
		if text != "" {
			return &text
		}
	}
	return nil
}

// readBody reads the file that --body names.
func (c *callCommand) readBody() ([]byte, error) {
	if c.Body == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(c.Body)
}

// hints say what to do about a security server's fault, by its group (fact sheet §5.4).
var hints = map[xroadhdr.Group]string{
	xroadhdr.GroupOurs:           "our request or configuration is wrong: check xroad.client, the service's identifier, and how our subsystem is registered",
	xroadhdr.GroupDenied:         "the provider has not given our subsystem the right to this service, or has disabled it: ask the provider",
	xroadhdr.GroupInfrastructure: "a security server, the network or the provider's system is in trouble: try again later; if it lasts, tell the operator of the security server",
	xroadhdr.GroupAnswer:         "the provider's system answered what X-Road does not allow: tell the provider",
	xroadhdr.GroupProvider:       "the provider's own fault: its text says what it wants",
}
