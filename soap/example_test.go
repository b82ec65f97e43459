package soap_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// A service, and a call of it. In life a security server stands on either side between the two.
func Example() {
	const namespace = "urn:example:reg"
	handler := soap.NewHandler(soap.HandlerOptions{}, soap.Operation{
		ServiceCode: "findFirm", ServiceVersion: "v1",
		Request:  xml.Name{Space: namespace, Local: "findFirm"},
		Response: xml.Name{Space: namespace, Local: "findFirmResponse"},
		Serve: func(_ context.Context, req *soap.Request, response *etree.Element) error {
			if code := req.Body.SelectElement("code").Text(); code != "11000001" {
				return soap.ClientFault("UnknownFirm", "no firm has this code")
			}
			response.CreateElement("name").SetText("Näidis OÜ")
			return nil
		},
	})
	server := httptest.NewServer(handler)
	defer server.Close()

	sender, err := soap.NewSender(soap.SenderOptions{URL: server.URL, NewID: func() string { return "5f0a7a6e" }})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000001", SubsystemCode: "reg"}
	for _, code := range []string{"11000001", "11000002"} {
		body := etree.NewElement("reg:findFirm")
		body.CreateAttr("xmlns:reg", namespace)
		body.CreateElement("code").SetText(code)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		answer, err := sender.Send(ctx, soap.Call{
			Header: xroadhdr.Header{
				Client:  xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001", SubsystemCode: "shop"},
				Service: provider.Service("findFirm", "v1"),
			},
			Body:     body,
			Response: xml.Name{Space: namespace, Local: "findFirmResponse"},
		})
		cancel()
		var failed *soap.CallError
		if errors.As(err, &failed) {
			fmt.Println(failed.Failure, failed.Kind(), failed.Fault.String)
			continue
		}
		fmt.Println(answer.Body.SelectElement("name").Text())
	}
	// Output:
	// Näidis OÜ
	// fault theirs no firm has this code
}

// A fault is answered in the envelope of the request, as far as that could be read.
func ExampleParseRequest() {
	_, err := soap.ParseRequest([]byte(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///c">]><a>&b;</a>`), soap.Limits{})
	var fault *soap.Fault
	if errors.As(err, &fault) {
		fmt.Println(fault.Code, fault.Reason)
		fmt.Println(fault.String)
	}
	// Output:
	// Client InvalidSoap
	// message: line 1: must not hold a DOCTYPE
}
