package main

import (
	"log/slog"
	"net/http"
	"path"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/wsdl"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// emtaPath is where the security server finds cpgOrderNotify (design §8).
const emtaPath = "/emta"

// xroadHandler answers the xroad listener: the notify service by POST, its WSDL and schemas by GET. A request with another
// method or to another address gets a SOAP fault, which is all that a security server understands (fact sheet §4.3).
func xroadHandler(s Settings, address string, allowed func(xroadhdr.ClientID) bool, notify soap.Operation, log *slog.Logger) (http.Handler, error) {
	settings, err := s.orderSettings()
	if err != nil {
		return nil, err
	}
	handler := soap.NewHandler(soap.HandlerOptions{Provider: settings.Client, Allowed: allowed, Logger: log}, notify)
	nothing := soap.NewHandler(soap.HandlerOptions{Provider: settings.Client, Allowed: allowed, Logger: log})
	contract, err := wsdl.NewHandler(wsdl.NotifyOptions{Namespace: s.EMTA.NotifyNamespace, Address: address + emtaPath})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reading := r.Method == http.MethodGet || r.Method == http.MethodHead
		if r.URL.Path == emtaPath {
			xroadhdr.ExchangeFrom(r.Context()).Route = emtaPath
		}
		switch {
		case r.URL.Path == emtaPath && reading && r.URL.RawQuery != "":
			contract.ServeHTTP(w, r)
		case path.Dir(r.URL.Path) == emtaPath && reading:
			contract.ServeHTTP(w, r)
		case r.URL.Path == emtaPath:
			handler.ServeHTTP(w, r)
		default:
			nothing.ServeHTTP(w, r)
		}
	}), nil
}
