package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Metaservices that list a provider's services (fact sheet §7). Nobody needs a right to call them.
const (
	MetaserviceMethods = "listMethods"    // all of them
	MetaserviceAllowed = "allowedMethods" // those that the client has the right to
)

func isMetaservice(s xroadhdr.ServiceID) bool {
	return s.ServiceVersion == "" && (s.ServiceCode == MetaserviceMethods || s.ServiceCode == MetaserviceAllowed)
}

// listed are the services, SOAP or REST, that a metaservice tells a client of, in the order of their identifiers. The error is a *faultError.
func (s *SecurityServer) listed(m *message, rest bool) ([]xroadhdr.ServiceID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	provider := providerOf(m.service)
	if err := s.knows(m.client, provider); err != nil {
		return nil, err
	}
	var found []xroadhdr.ServiceID
	for id, service := range s.services {
		allowed := m.service.ServiceCode == MetaserviceMethods || s.rights[right{m.client, provider, id.ServiceCode}]
		if providerOf(id) == provider && service.REST == rest && allowed {
			found = append(found, id)
		}
	}
	slices.SortFunc(found, func(a, b xroadhdr.ServiceID) int { return strings.Compare(a.String(), b.String()) })
	return found, nil
}

// describe answers a metaservice over SOAP. The error is a *faultError.
func (s *SecurityServer) describe(req *request) ([]byte, error) {
	services, err := s.listed(req.message, false)
	if err != nil {
		return nil, err
	}
	doc := newDocument()
	envelope := doc.CreateElement("SOAP-ENV:Envelope")
	for prefix, uri := range map[string]string{"SOAP-ENV": namespaceEnvelope, "id": xroadhdr.NamespaceIdentifiers, "xroad": xroadhdr.NamespaceXRoad} {
		envelope.CreateAttr("xmlns:"+prefix, uri)
	}
	envelope.SortAttrs()
	d := dialect{prefixes: prefixesOf("SOAP-ENV", "xroad", "id", "")}
	header := envelope.CreateElement("SOAP-ENV:Header")
	for _, el := range req.message.header.ChildElements() {
		if name, _ := headerField(el); name != "requestHash" {
			d.copyInto(header, el)
		}
	}
	response := envelope.CreateElement("SOAP-ENV:Body").CreateElement("xroad:" + req.message.service.ServiceCode + "Response")
	for _, id := range services {
		writeService(response, id)
	}
	answer, refusal := readMessage(bytesOf(doc))
	if refusal != nil {
		return nil, internal(refusal.Error())
	}
	return rewrite(answer, req.soap), nil
}

func writeService(parent *etree.Element, s xroadhdr.ServiceID) {
	el := parent.CreateElement("xroad:service")
	el.CreateAttr("id:objectType", "SERVICE")
	for _, part := range []struct{ name, text string }{{"xRoadInstance", s.Instance}, {"memberClass", s.MemberClass}, {"memberCode", s.MemberCode},
		{"subsystemCode", s.SubsystemCode}, {"serviceCode", s.ServiceCode}, {"serviceVersion", s.ServiceVersion}} {
		if part.text != "" {
			el.CreateElement("id:" + part.name).SetText(part.text)
		}
	}
}

// describeREST answers a metaservice over REST. The error is a *faultError.
func (s *SecurityServer) describeREST(w http.ResponseWriter, m *restMessage) error {
	services, err := s.listed(&message{client: m.client, service: m.service}, true)
	if err != nil {
		return err
	}
	list := []map[string]any{}
	for _, id := range services {
		list = append(list, map[string]any{"object_type": "SERVICE", "service_type": "REST", "xroad_instance": id.Instance, "member_class": id.MemberClass,
			"member_code": id.MemberCode, "subsystem_code": id.SubsystemCode, "service_code": id.ServiceCode, "endpoint_list": []any{}})
	}
	body, err := json.Marshal(map[string]any{"service": list})
	if err != nil {
		panic(fmt.Sprintf("a list of texts cannot be written: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // whoever does not read it asks again
	return nil
}
