package order

import (
	"context"
	"encoding/xml"
	"errors"

	"ametlikudteadaanded.ee/adapter/soap"
)

// Operation is cpgOrderNotify as we serve it (AT-CC-004, EMTA §6).
func (m *Module) Operation() soap.Operation {
	name := func(local string) xml.Name { return xml.Name{Space: m.settings.NotifyNamespace, Local: local} }
	return soap.Operation{
		ServiceCode:    "cpgOrderNotify",
		ServiceVersion: "v1",
		Request:        name("cpgOrderNotifyRequest"),
		Response:       name("cpgOrderNotifyResponse"),
		Serve:          m.serveNotify,
	}
}

// serveNotify stores the notification, durably, before it is answered. EMTA is never called in here.
func (m *Module) serveNotify(ctx context.Context, request *soap.Request, _ *element) error {
	id, err := decodeNotify(request.Body)
	if err != nil {
		var wrong *elementError
		if errors.As(err, &wrong) {
			return soap.ClientFault("InvalidBody", wrong.path+" "+wrong.rule)
		}
		return err
	}
	known := false
	// What has come whole is kept even if the caller has left, or has closed its half of the connection, which looks the same.
	err = m.store.Notified(context.WithoutCancel(ctx), id, func(k Known) (Change, error) {
		known = k.Order != nil
		return m.decision().notified(k, id), nil
	})
	if err != nil {
		return err
	}
	m.Wake()
	if !known {
		return &soap.Fault{Code: "Server", String: "Order not found with id: " + id}
	}
	return nil
}
