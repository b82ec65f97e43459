package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/beevik/etree"
	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Metaservices: what a provider offers, and what of it we have the right to (fact sheet §7).
const (
	listMethods    = "listMethods"
	allowedMethods = "allowedMethods"
)

// emtaServices are what we call at EMTA.
var emtaServices = []string{"cpgOrderInit", "cpgOrderGet", "cpgOrderList", "cpgOrderCancel"}

// methods asks, through our security server, what EMTA offers and what we have the right to.
func (d *doctor) methods(ctx context.Context, found *diagnosis) {
	if d.settings.EMTA.Service == "" || d.settings.XRoad.SecurityServer == "" {
		return // told by others
	}
	provider, err := clientID("emta.service", d.settings.EMTA.Service)
	if err != nil {
		return // likewise
	}
	for _, ask := range []struct{ code, advice string }{
		{listMethods, "check emta.service and emta.version against what EMTA told; ask EMTA whether the service is registered"},
		{allowedMethods, "ask EMTA to give our subsystem, " + d.settings.XRoad.Client + ", the right to these services"},
	} {
		check := "EMTA " + ask.code
		services, err := d.services(ctx, provider, ask.code)
		if err != nil {
			what, advice := d.adviceCall(err)
			found.fail(check, advice, "%s", what)
			continue
		}
		var missing []string
		for _, code := range emtaServices {
			if !slices.Contains(services, code+"."+d.settings.EMTA.Version) {
				missing = append(missing, code+"."+d.settings.EMTA.Version)
			}
		}
		if len(missing) > 0 {
			found.fail(check, ask.advice, "%s is without %s; it has %s", d.settings.EMTA.Service, strings.Join(missing, ", "), listOf(services))
			continue
		}
		found.ok(check, "has all that we call: %s", strings.Join(emtaServices, ", "))
	}
}

// registered asks what is registered for our own subsystem: what EMTA and Pääsuke call.
func (d *doctor) registered(ctx context.Context, found *diagnosis) {
	if d.settings.XRoad.Client == "" || d.settings.XRoad.SecurityServer == "" {
		return // told by others
	}
	own, err := clientID("xroad.client", d.settings.XRoad.Client)
	if err != nil {
		return // likewise
	}
	if d.settings.EMTA.Service != "" {
		const check = "our cpgOrderNotify"
		services, err := d.services(ctx, own, listMethods)
		switch {
		case err != nil:
			what, advice := d.adviceCall(err)
			found.fail(check, advice, "%s", what)
		case !slices.ContainsFunc(services, func(s string) bool { return strings.HasPrefix(s, "cpgOrderNotify.") || s == "cpgOrderNotify" }):
			found.warn(check, "have our WSDL, http(s)://THE ADAPTER"+emtaPath+"?wsdl, added to the services of "+d.settings.XRoad.Client+" at the security server, enabled, and EMTA given the right: until then only polling tells what was paid",
				"is not registered at the security server; it has %s", listOf(services))
		default:
			found.ok(check, "is registered at the security server")
		}
	}
	if len(d.settings.Paasuke.AllowedClients) == 0 && len(d.settings.XRoad.AllowedClients) == 0 {
		return // nobody may use the mandates services
	}
	const check = "our mandates service"
	services, err := d.restServices(ctx, own)
	switch {
	case err != nil:
		what, advice := d.adviceCall(err)
		found.fail(check, advice, "%s", what)
	case len(services) == 0:
		found.warn(check, "have http(s)://THE ADAPTER"+paasukePath+"/openapi.yaml added to the services of "+d.settings.XRoad.Client+" at the security server, enabled, and Pääsuke given the right",
			"no REST service is registered at the security server")
	default:
		found.ok(check, "the security server has %s", listOf(services))
	}
}

func listOf(services []string) string {
	const most = 20 // of a provider with hundreds, enough to see what it is
	if len(services) == 0 {
		return "none"
	}
	if len(services) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(services[:most], ", "), len(services)-most)
	}
	return strings.Join(services, ", ")
}

// services are code.version of what a metaservice lists of the provider.
func (d *doctor) services(ctx context.Context, provider xroadhdr.ClientID, code string) ([]string, error) {
	h, err := (&callCommand{Service: provider.Service(code, "").String()}).header(d.settings)
	if err != nil {
		return nil, err
	}
	body := etree.NewElement("xroad:" + code)
	body.CreateAttr("xmlns:xroad", xroadhdr.NamespaceXRoad)
	m, err := d.send(ctx, soap.Call{Header: h, Body: body, Response: xml.Name{Space: xroadhdr.NamespaceXRoad, Local: code + "Response"}})
	if err != nil {
		return nil, err
	}
	var services []string
	for _, el := range m.Body.ChildElements() {
		if el.Tag != "service" || el.NamespaceURI() != xroadhdr.NamespaceXRoad {
			continue
		}
		var parts []string
		for _, name := range []string{"serviceCode", "serviceVersion"} {
			for _, part := range el.ChildElements() {
				if part.Tag == name && part.NamespaceURI() == xroadhdr.NamespaceIdentifiers {
					parts = append(parts, part.Text())
				}
			}
		}
		services = append(services, strings.Join(parts, "."))
	}
	return services, m.Close()
}

// send calls through our security server as the program does.
func (d *doctor) send(ctx context.Context, c soap.Call) (*soap.Message, error) {
	config, err := d.settings.securityServerTLS()
	if err != nil {
		return nil, err
	}
	sender, err := soap.NewSender(soap.SenderOptions{URL: d.settings.XRoad.SecurityServer, TLS: config, RequestHash: soap.HashPolicy(d.settings.XRoad.RequestHash)})
	if err != nil {
		return nil, err
	}
	return sender.Send(ctx, c)
}

// restServices are the codes of the REST services of our own subsystem.
func (d *doctor) restServices(ctx context.Context, own xroadhdr.ClientID) ([]string, error) {
	call := rest.Call{Header: xroadhdr.Header{Client: own, Service: own.Service(listMethods, ""), ID: uuid.NewString()}, Method: http.MethodGet}
	r, err := call.Request(ctx, d.settings.XRoad.SecurityServer)
	if err != nil {
		return nil, err
	}
	config, err := d.settings.securityServerTLS()
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Transport{TLSClientConfig: config, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if code := answer.Header.Get(xroadhdr.HeaderError); code != "" {
		return nil, &rest.ServerError{Code: xroadhdr.ParseErrorCode(code), Status: answer.StatusCode}
	}
	var list struct {
		Service []struct {
			Code string `json:"service_code"`
		} `json:"service"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxShown)).Decode(&list); err != nil {
		return nil, fmt.Errorf("the list of REST services cannot be read: %w", err)
	}
	var codes []string
	for _, s := range list.Service {
		codes = append(codes, s.Code)
	}
	return codes, nil
}

// adviceCall says why a call over X-Road failed, and what to do.
func (d *doctor) adviceCall(err error) (what, advice string) {
	var failed *soap.CallError
	var server *rest.ServerError
	var code xroadhdr.ErrorCode
	var text string
	switch {
	case errors.As(err, &failed) && failed.Fault != nil:
		code, text = failed.Fault.XRoad, failed.Fault.String
		what = fmt.Sprintf("answered with the fault %s: %s", failed.Fault.Code, text)
		if failed.Failure == soap.FailedFault {
			return what, hints[xroadhdr.GroupProvider]
		}
	case errors.As(err, &failed) && failed.Failure == soap.FailedConnection:
		return "was not sent: no connection to the security server", "mend what was found about the security server"
	case errors.As(err, &failed):
		return fmt.Sprintf("failed (%s): %v", failed.Failure, failed.Err), "see what was found about the security server; if all is well with it, try again with adapter call"
	case errors.As(err, &server):
		code, text = server.Code, server.Text
		what = "answered with the error " + code.Raw
	default:
		return fmt.Sprintf("was not answered: %v", err), "mend what was found about the security server"
	}
	switch {
	case code.Is("Server.ClientProxy.SslAuthenticationFailed") && code.Group(text) == xroadhdr.GroupOurs:
		return what, "our subsystem is set to HTTPS there: give the certificate of xroad.tls.cert to the security server's administrator, for our subsystem's internal servers, or have the connection type changed"
	case code.Name == "unknownmember":
		return what, "one of the two is not registered: check xroad.client (our subsystem at this security server) and the provider's identifier (emta.service); capitals count"
	}
	return what, hints[code.Group(text)]
}
