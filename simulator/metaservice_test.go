package simulator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// metaRequest is the sample's header with a metaservice, which has no version, and its body.
func metaRequest(t testing.TB, code string) string {
	doc := parse(t, []byte(bodyRequest(t, code, "")))
	version := doc.FindElement("//serviceVersion")
	version.Parent().RemoveChild(version)
	body := doc.FindElement("//Body")
	body.RemoveChildAt(body.ChildElements()[0].Index())
	el := body.CreateElement("meta:" + code)
	el.CreateAttr("xmlns:meta", "http://x-road.eu/xsd/xroad.xsd")
	out, err := doc.WriteToString()
	require.NoError(t, err)
	return out
}

// Fact sheet §7: identifiers in X-Road's namespaces, SOAP services only; allowedMethods are those of the rights; nobody needs a right to ask.
func TestMetaservices(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	b.server.Deny(shop, gateway, "cpgOrderCancel")
	b.server.Offer(simulator.Service{ID: gateway.Service("people", ""), REST: true})
	for code, want := range map[string]string{
		"listMethods":    "cpgOrderCancel cpgOrderGet cpgOrderInit cpgOrderList",
		"allowedMethods": "cpgOrderGet cpgOrderInit cpgOrderList",
	} {
		answer := b.call(t, metaRequest(t, code))
		response := answer.FindElement("//Body").ChildElements()[0]
		require.Equal(t, code+"Response", response.Tag)
		require.Equal(t, "http://x-road.eu/xsd/xroad.xsd", response.NamespaceURI())
		var codes []string
		for _, el := range response.ChildElements() {
			require.Equal(t, "service", el.Tag)
			require.Equal(t, "http://x-road.eu/xsd/xroad.xsd", el.NamespaceURI())
			require.Equal(t, "SERVICE", el.SelectAttrValue("id:objectType", ""))
			require.Equal(t, "EE COM 70000349 payment-gateway", strings.Join([]string{el.FindElement("xRoadInstance").Text(), el.FindElement("memberClass").Text(),
				el.FindElement("memberCode").Text(), el.FindElement("subsystemCode").Text()}, " "))
			require.Equal(t, "v1", el.FindElement("serviceVersion").Text())
			require.Equal(t, "http://x-road.eu/xsd/identifiers", el.FindElement("serviceCode").NamespaceURI())
			codes = append(codes, el.FindElement("serviceCode").Text())
		}
		require.Equal(t, want, strings.Join(codes, " "))
		require.NotEmpty(t, at(answer, "requestHash"))
	}
	unknown := strings.Replace(metaRequest(t, "listMethods"), shop.SubsystemCode+"<", "other<", 1)
	require.Equal(t, "Server.ClientProxy.UnknownMember", at(b.call(t, unknown), "faultcode"))
}

func TestMetaservicesREST(t *testing.T) {
	b := newRESTBench(t)
	b.server.Offer(simulator.Service{ID: registers.Service("people", ""), REST: true})
	b.server.Offer(simulator.Service{ID: registers.Service("closed", ""), REST: true})
	b.server.Offer(simulator.Service{ID: registers.Service("cpgOrderNotify", "v1")})
	b.server.Allow(shop, registers, "people")
	entry := func(code string) string {
		return `{"endpoint_list":[],"member_class":"GOV","member_code":"70000310","object_type":"SERVICE","service_code":"` + code +
			`","service_type":"REST","subsystem_code":"at","xroad_instance":"ee-dev"}`
	}
	for code, want := range map[string]string{"listMethods": entry("closed") + "," + entry("people"), "allowedMethods": entry("people")} {
		answer, text := b.ask(t, "GET", "/r1/ee-dev/GOV/70000310/at/"+code, "", "X-Road-Client", asShop)
		require.Equal(t, 200, answer.StatusCode)
		require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
		require.JSONEq(t, `{"service":[`+want+`]}`, text)
	}
	answer, _ := b.ask(t, "POST", "/r1/ee-dev/GOV/70000310/at/listMethods", "{}", "X-Road-Client", asShop)
	require.Equal(t, "Server.ServerProxy.UnknownService", answer.Header.Get("X-Road-Error"), "only GET is answered")
}
