package xroadhdr_test

import (
	"fmt"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func ExampleParseClientID() {
	c, err := xroadhdr.ParseClientID("ee-dev/GOV/70000310/at")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.SubsystemCode, "of", c.Member())
	fmt.Println(c.Display())

	_, err = xroadhdr.ParseClientID("ee-dev/GOV//at")
	fmt.Println(err)
	// Output:
	// at of ee-dev/GOV/70000310
	// SUBSYSTEM:ee-dev/GOV/70000310/at
	// client/memberCode: must not be missing, empty or blank
}

func ExampleParseErrorCode() {
	for _, code := range []string{
		"Server.ServerProxy.AccessDenied",
		"server.serverproxy.service_failed.io_error",
		"server.clientproxy.network_error",
		"soap:Server",
	} {
		c := xroadhdr.ParseErrorCode(code)
		fmt.Println(c, c.Group(""), c.Kind(""), c.BeforeProvider(""))
	}
	// Output:
	// server.serverproxy.accessdenied B ours true
	// server.serverproxy.servicefailed.ioerror C timeout false
	// server.clientproxy.networkerror C network true
	// provider E theirs false
}

func ExampleHeader_WriteSOAP() {
	doc := etree.NewDocument()
	envelope := doc.CreateElement("e:Envelope")
	envelope.CreateAttr("xmlns:e", "http://schemas.xmlsoap.org/soap/envelope/")
	client := xroadhdr.ClientID{Instance: "EE", MemberClass: "GOV", MemberCode: "70000310"}
	header := xroadhdr.Header{Client: client, Service: client.Service("find", ""), ID: "1"}
	if err := header.WriteSOAP(envelope.CreateElement("e:Header")); err != nil {
		fmt.Println(err)
		return
	}
	for _, field := range envelope.ChildElements()[0].ChildElements() {
		fmt.Println(field.FullTag(), field.NamespaceURI())
	}
	// Output:
	// xrd:client http://x-road.eu/xsd/xroad.xsd
	// xrd:service http://x-road.eu/xsd/xroad.xsd
	// xrd:id http://x-road.eu/xsd/xroad.xsd
	// xrd:protocolVersion http://x-road.eu/xsd/xroad.xsd
}
