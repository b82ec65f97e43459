package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// namespaceEMTA is that of EMTA's operations (mkrliides.wsdl).
const namespaceEMTA = "http://cpg-v6.x-road.eu"

// errCall says that the answer was told as a failure already.
var errCall = errors.New("the call did not succeed")

func (c *callCommand) callSOAP(ctx context.Context, s Settings, h xroadhdr.Header, out io.Writer) error {
	body, err := c.soapBody()
	if err != nil {
		return err
	}
	if c.DryRun {
		raw, err := soap.Envelope(h, body)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "POST %s\n\n", s.XRoad.SecurityServer)
		return printXML(out, raw)
	}
	config, err := s.securityServerTLS()
	if err != nil {
		return err
	}
	var answer []byte
	sender, err := soap.NewSender(soap.SenderOptions{URL: s.XRoad.SecurityServer, TLS: config, RequestHash: soap.HashPolicy(s.XRoad.RequestHash),
		NewID: func() string { return h.ID }, Wrap: keeping(&answer)})
	if err != nil {
		return fmt.Errorf("setting xroad.securityServer: %w", err)
	}
	begin := time.Now()
	_, err = sender.Send(ctx, soap.Call{Header: h, Body: body, Response: responseName(body)})
	took := time.Since(begin).Round(time.Millisecond)
	switch {
	case c.Raw:
		if _, writeErr := out.Write(answer); writeErr != nil {
			return writeErr
		}
	case err == nil:
		fmt.Fprintf(out, "answered in %s, message id %s\n\n", took, h.ID)
		return printXML(out, answer)
	default:
		tellFailure(out, err, took, h.ID)
	}
	if err != nil {
		return errCall
	}
	return nil
}

// soapBody is the child of Body: one of EMTA's requests, or what the file holds.
func (c *callCommand) soapBody() (*etree.Element, error) {
	if c.Body != "" {
		text, err := c.readBody()
		if err != nil {
			return nil, err
		}
		doc := etree.NewDocument()
		if err := doc.ReadFromBytes(text); err != nil || doc.Root() == nil {
			return nil, fmt.Errorf("--body: must hold one XML element: %w", err)
		}
		return doc.Root(), nil
	}
	if !emtaOperations[c.Service] {
		return nil, errors.New("--body is needed: a file with the request's element")
	}
	el := etree.NewElement("cpg:" + c.Service + "Request")
	el.CreateAttr("xmlns:cpg", namespaceEMTA)
	if c.Service != "cpgOrderList" {
		if c.ID == "" {
			return nil, errors.New("--id is needed: EMTA's order id")
		}
		el.CreateElement("Id").SetText(c.ID)
		return el, nil
	}
	for _, field := range []struct{ name, text string }{{"count", c.Count}, {"page", c.Page}, {"to", c.To}, {"from", c.From}} {
		if field.text != "" {
			el.CreateElement(field.name).SetText(field.text)
		}
	}
	return el, nil
}

// responseName is the wrapper that the answer is expected to have: the request's name with Response at its end.
func responseName(body *etree.Element) xml.Name {
	return xml.Name{Space: body.NamespaceURI(), Local: strings.TrimSuffix(body.Tag, "Request") + "Response"}
}

// keeping makes the sender's transport keep the answer's bytes.
func keeping(answer *[]byte) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			raw, err := io.ReadAll(io.LimitReader(response.Body, maxShown))
			if closeErr := response.Body.Close(); err == nil {
				err = closeErr
			}
			if err != nil {
				return nil, err
			}
			*answer = raw
			response.Body = io.NopCloser(bytes.NewReader(raw))
			return response, nil
		})
	}
}

// maxShown bounds an answer in the shell; the sender's own limit is lower for SOAP.
const maxShown = 16 << 20

// printXML prints a message indented.
func printXML(out io.Writer, raw []byte) error {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		_, err := out.Write(raw)
		return err
	}
	doc.Indent(2)
	_, err := doc.WriteTo(out)
	return err
}

// tellFailure says what went wrong, whose failure it is and what to do.
func tellFailure(out io.Writer, err error, took time.Duration, id string) {
	var call *soap.CallError
	if !errors.As(err, &call) {
		fmt.Fprintf(out, "failed: %v\n", err)
		return
	}
	fmt.Fprintf(out, "failed in %s, message id %s\n\n", took, id)
	fmt.Fprintf(out, "what       %s\nwhose      %s\n", call.Failure, call.Kind())
	if f := call.Fault; f != nil {
		fmt.Fprintf(out, "code       %s\ntext       %s\n", printable(f.Code), printable(f.String))
		fmt.Fprintf(out, "meaning    %s\n", hints[f.XRoad.Group(f.String)])
		return
	}
	if call.HTTPStatus != 0 {
		fmt.Fprintf(out, "status     %d\n", call.HTTPStatus)
	}
	fmt.Fprintf(out, "meaning    %v\n", call.Err)
}

// printable keeps what a partner wrote from moving the terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
