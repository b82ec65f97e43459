package soap_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
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

// A service that is sent a document and returns one. What is sent is streamed, from a file as well as from memory.
func Example_attachments() {
	const namespace = "urn:example:docs"
	name := func(local string) xml.Name { return xml.Name{Space: namespace, Local: local} }
	handler := soap.NewHandler(soap.HandlerOptions{}, soap.Operation{
		ServiceCode: "stampDocument", Request: name("stampDocument"), Response: name("stampDocumentResponse"),
		Attachments: true,
		Serve: func(_ context.Context, req *soap.Request, response *etree.Element) error {
			came, err := req.Resolve(req.Body.SelectElement("document"))
			if err != nil {
				return err
			}
			stamped := &soap.Attachment{ContentID: "stamped", ContentType: came.ContentType, Open: came.Open}
			response.CreateElement("document").SetText(stamped.Reference())
			req.Attach(stamped)
			return nil
		},
	})
	server := httptest.NewServer(handler)
	defer server.Close()

	sender, err := soap.NewSender(soap.SenderOptions{URL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	document := &soap.Attachment{ContentID: "letter@shop", ContentType: "text/plain; charset=UTF-8", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("Tere!")), nil
	}}
	body := etree.NewElement("docs:stampDocument")
	body.CreateAttr("xmlns:docs", namespace)
	body.CreateElement("document").SetText(document.Reference())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	provider := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000001", SubsystemCode: "docs"}
	answer, err := sender.Send(ctx, soap.Call{
		Header: xroadhdr.Header{
			Client:  xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001", SubsystemCode: "shop"},
			Service: provider.Service("stampDocument", ""),
		},
		Body: body, Response: name("stampDocumentResponse"),
		Attachments: []*soap.Attachment{document}, AnswerAttachments: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Close()
	stamped, err := answer.Resolve(answer.Body.SelectElement("document"))
	if err != nil {
		fmt.Println(err)
		return
	}
	content, err := stamped.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	fmt.Println(stamped.ContentID, stamped.Size, string(text), err)
	// Output: stamped 5 Tere! <nil>
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
