package simulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// notifyRequest is cpgOrderNotifyRequest (cpgOrderNotify.wsdl), with the fields
// of EMTA's sample in its order and under its prefixes.
func notifyRequest(o NotifyOptions, messageID, orderID string) []byte {
	doc := newDocument()
	env := doc.CreateElement("soapenv:Envelope")
	env.CreateAttr("xmlns:soapenv", namespaceEnvelope)
	env.CreateAttr("xmlns:xro", xroadhdr.NamespaceXRoad)
	env.CreateAttr("xmlns:iden", xroadhdr.NamespaceIdentifiers)
	env.CreateAttr("xmlns:tkt", o.Namespace)
	header := env.CreateElement("soapenv:Header")
	header.CreateElement("xro:protocolVersion").SetText("4.0")
	header.CreateElement("xro:userId").SetText(o.UserID)
	header.CreateElement("xro:id").SetText(messageID)
	writeIdentifier(header, "service", "SERVICE", "xRoadInstance", o.Service.Instance, "memberClass", o.Service.MemberClass,
		"memberCode", o.Service.MemberCode, "subsystemCode", o.Service.SubsystemCode,
		"serviceCode", o.Service.ServiceCode, "serviceVersion", o.Service.ServiceVersion)
	writeIdentifier(header, "client", "SUBSYSTEM", "xRoadInstance", o.Client.Instance, "memberClass", o.Client.MemberClass,
		"memberCode", o.Client.MemberCode, "subsystemCode", o.Client.SubsystemCode)
	env.CreateElement("soapenv:Body").CreateElement("tkt:cpgOrderNotifyRequest").CreateElement("id").SetText(orderID)
	return bytesOf(doc)
}

func writeIdentifier(header *etree.Element, field, objectType string, pairs ...string) {
	el := header.CreateElement("xro:" + field)
	el.CreateAttr("iden:objectType", objectType)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			el.CreateElement("iden:" + pairs[i]).SetText(pairs[i+1])
		}
	}
}

func sendNotification(ctx context.Context, o NotifyOptions, message []byte) (NotifyAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(message))
	if err != nil {
		return NotifyAnswer{}, fmt.Errorf("notifying: %w", err)
	}
	req.Header.Set("Content-Type", contentTypeXML)
	req.Header["SOAPAction"] = []string{`""`}
	answer, err := o.Transport.RoundTrip(req)
	if err != nil {
		return NotifyAnswer{}, fmt.Errorf("notifying: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // read to the end or given up
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxMessageBytes))
	if err != nil {
		return NotifyAnswer{}, fmt.Errorf("notifying: %w", err)
	}
	m, refusal := readMessage(raw)
	switch {
	case refusal != nil:
		return NotifyAnswer{Raw: raw}, fmt.Errorf("%w: %w", errNoAnswer, refusal)
	case m.fault:
		return NotifyAnswer{FaultCode: m.faultCode, FaultString: textOf(m.body, "faultstring"), Raw: raw}, nil
	case m.body.Tag != "cpgOrderNotifyResponse" || m.body.NamespaceURI() != o.Namespace:
		return NotifyAnswer{Raw: raw}, errNoAnswer
	}
	return NotifyAnswer{Raw: raw}, nil
}
