package wsdl_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/wsdl"
)

const (
	nsEnvelope    = "http://schemas.xmlsoap.org/soap/envelope/"
	nsIdentifiers = "http://x-road.eu/xsd/identifiers"
	nsEMTA        = "http://cpg-v6.x-road.eu"
)

// exceptions are the golden messages that are not as the contracts say, and why we keep them. A part is
// "body", or the local name of a header block, or "header" for what is between the header blocks.
// Whatever is listed must be wrong in just this way, and nothing else may be.
var exceptions = []struct {
	file, part string
	errors     []string
	reason     string
}{
	{"cpgOrderInitRequest.xml", "body", []string{"'Notify': Missing child element(s). Expected is ( Url )", "'Order': Missing child element"},
		"EMTA's sample: Order/Created and Callback/Notify/Url are mandatory and absent"},
	{"cpgOrderInitRequest-as-sent.xml", "body", []string{"'Notify': Missing child element(s). Expected is ( Url )", "'Order': Missing child element"},
		"we follow EMTA's text and samples: neither Order/Created nor Callback/Notify/Url is sent"},
	{"cpgOrderInitResponse.xml", "body", []string{"'Notify': Missing child element(s). Expected is ( Url )"},
		"EMTA's sample: Callback/Notify/Url is absent in the answer too"},
	{"cpgOrderInitResponse.xml", "client", []string{"objectType': [facet 'enumeration'] The value '?'"},
		"EMTA's sample: client/@objectType is a question mark"},
	{"cpgOrderCancelRequest.xml", "header", []string{"id: occurs 0 times", "cpgOrderCancelRequest is not a message of cpgOrderGet"},
		"EMTA's sample: no id, and the service code of another operation"},
	{"cpgOrderCancelResponse.xml", "header", []string{"id: occurs 0 times"},
		"EMTA's sample: no id"},
	{"cpgOrderListResponse-empty.xml", "body", []string{"'Orders': Missing child element(s). Expected is ( Order )"},
		"an empty page cannot be written validly; servers send an empty Orders all the same"},
	{"cpgOrderGetResponse-unfilled-finished.xml", "body", []string{"'Finished': '' is not a valid value of the atomic type 'xs:dateTime'"},
		"EMTA's text speaks of the field as unfilled; an empty element is not a dateTime"},
	{"cpgOrderInitResponse-service-failed-fault.xml", "header", []string{"no header"},
		"a security server's own fault has no header"},
}

// Every golden message against the schemas: its body's content against the WSDL, each header block
// against X-Road's schemas, and what X-Road asks beyond them (§2.1, §3.1).
func TestGoldenMessages(t *testing.T) {
	got := map[string][]string{} // what is wrong, by file and part

	var bodies, givenBodies, blocks []payload
	for _, m := range goldenMessages(t) {
		got[m.file+" header"] = headerErrors(m)
		for _, e := range m.blocks {
			blocks = append(blocks, payload{m.file, e.Tag, e})
		}
		switch m.body.NamespaceURI() {
		case nsEnvelope:
			got[m.file+" body"] = faultErrors(m.body)
		case wsdl.DefaultNotifyNamespace:
			givenBodies = append(givenBodies, payload{m.file, "body", m.body})
			fallthrough
		default:
			bodies = append(bodies, payload{m.file, "body", m.body})
		}
	}

	xmllint := lookXmllint(t)
	served := render(t, wsdl.NotifyOptions{Address: "http://adapter/emta"})
	given, err := os.ReadFile("testdata/cpgOrderNotify-given.wsdl")
	require.NoError(t, err)
	ours := newSchemaSet(t, served, wsdl.EMTA())
	theirs := newSchemaSet(t, given)

	for key, errors := range ours.validate(t, xmllint, slices.Concat(bodies, blocks)) {
		got[key] = errors
	}
	for key, errors := range theirs.validate(t, xmllint, givenBodies) {
		require.Equal(t, got[key], errors, "%s: the given and the served WSDL disagree", key)
	}

	for _, x := range exceptions {
		key := x.file + " " + x.part
		errors, known := got[key]
		require.True(t, known, "exception for a message that is not there: %s", key)
		require.NotEmpty(t, x.reason, key)
		require.Len(t, errors, len(x.errors), "%s was expected to be wrong, since %s; take the exception out if it no longer is.\nxmllint: %q", key, x.reason, errors)
		for i, want := range x.errors {
			require.Contains(t, errors[i], want, key)
		}
		delete(got, key)
	}
	for key, errors := range got {
		require.Empty(t, errors, key)
	}
}

// A schema set that accepted everything would make TestGoldenMessages worthless.
func TestSchemasRefuse(t *testing.T) {
	xmllint := lookXmllint(t)
	set := newSchemaSet(t, render(t, wsdl.NotifyOptions{Address: "http://adapter/emta"}), wsdl.EMTA())
	const xrd = `xmlns:x="` + nsXRoad + `" xmlns:i="` + nsIdentifiers + `"`
	rows := []struct{ xml, want string }{
		{`<n:cpgOrderNotifyRequest xmlns:n="http://tkt.x-road.eu"><id>` + strings.Repeat("õ", 128) + `</id></n:cpgOrderNotifyRequest>`, ""},
		{`<n:cpgOrderNotifyRequest xmlns:n="http://tkt.x-road.eu"><id>` + strings.Repeat("õ", 129) + `</id></n:cpgOrderNotifyRequest>`, "maxLength"},
		{`<n:cpgOrderNotifyRequest xmlns:n="http://tkt.x-road.eu"><id/></n:cpgOrderNotifyRequest>`, ""},
		{`<n:cpgOrderNotifyRequest xmlns:n="http://tkt.x-road.eu"><n:id>1</n:id></n:cpgOrderNotifyRequest>`, "not expected"},
		{`<n:cpgOrderNotifyRequest xmlns:n="http://tkt.x-road.eu"/>`, "Missing child"},
		{`<n:cpgOrderNotifyResponse xmlns:n="http://tkt.x-road.eu"><id/></n:cpgOrderNotifyResponse>`, "not allowed"},
		{`<n:cpgOrderNotify xmlns:n="http://tkt.x-road.eu"/>`, "No matching global"},
		{`<x:client ` + xrd + ` i:objectType="MEMBER"><i:xRoadInstance>EE</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>1</i:memberCode></x:client>`, ""},
		{`<x:client ` + xrd + `><i:xRoadInstance>EE</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>1</i:memberCode></x:client>`, "required but missing"},
		{`<x:client ` + xrd + ` objectType="MEMBER"><i:xRoadInstance>EE</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>1</i:memberCode></x:client>`, "not allowed"},
		{`<x:client ` + xrd + ` i:objectType="MEMBER"><i:memberClass>GOV</i:memberClass><i:xRoadInstance>EE</i:xRoadInstance><i:memberCode>1</i:memberCode></x:client>`, "not expected"},
		{`<x:service ` + xrd + ` i:objectType="SERVICE"><i:xRoadInstance>EE</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>1</i:memberCode></x:service>`, "Missing child"},
		{`<x:requestHash ` + xrd + ` algorithmId="http://www.w3.org/2001/04/xmlenc#sha512">AA==</x:requestHash>`, ""},
		{`<x:title ` + xrd + ` xml:lang="et">Pealkiri</x:title>`, ""},
		{`<x:title ` + xrd + ` xml:lang="no language!">Pealkiri</x:title>`, "lang"},
	}
	for _, row := range rows {
		e := parse(t, []byte(row.xml)).Root()
		errors := set.validate(t, xmllint, []payload{{"row", "part", e}})["row part"]
		if row.want == "" {
			require.Empty(t, errors, row.xml)
			continue
		}
		require.Contains(t, strings.Join(errors, "\n"), row.want, row.xml)
	}
}

// A golden answer that carries a requestHash has that of the golden request beside it (§2.3),
// so both can be used to test its check.
func TestGoldenRequestHash(t *testing.T) {
	request, err := os.ReadFile("testdata/messages/cpgOrderGetRequest.xml")
	require.NoError(t, err)
	sum := sha512.Sum512(request)
	want := base64.StdEncoding.EncodeToString(sum[:])

	found := 0
	for _, m := range goldenMessages(t) {
		for _, e := range m.blocks {
			if e.NamespaceURI() == nsXRoad && e.Tag == "requestHash" {
				require.Equal(t, want, e.Text(), m.file)
				found++
			}
		}
	}
	require.NotZero(t, found)
}

type golden struct {
	file   string
	header *etree.Element // nil in a security server's fault
	blocks []*etree.Element
	body   *etree.Element // the one child of Body
}

func goldenMessages(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/messages/*.xml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var messages []golden
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		m := golden{file: filepath.Base(file)}
		envelope := parse(t, b).Root()
		require.Equal(t, "{"+nsEnvelope+"}Envelope", "{"+envelope.NamespaceURI()+"}"+envelope.Tag, file)
		for _, e := range envelope.ChildElements() {
			require.Equal(t, nsEnvelope, e.NamespaceURI(), file)
			switch e.Tag {
			case "Header":
				m.header, m.blocks = e, e.ChildElements()
			case "Body":
				require.Len(t, e.ChildElements(), 1, file)
				m.body = e.ChildElements()[0]
			}
		}
		require.NotNil(t, m.body, file)
		messages = append(messages, m)
	}
	return messages
}

// headerErrors tells what the schemas cannot: mandatory fields, once each (§2.1), and a body
// that belongs to the service (§3.1).
func headerErrors(m golden) []string {
	if m.header == nil {
		return []string{"no header"}
	}
	var errors []string
	for _, name := range []string{"client", "service", "id", "protocolVersion"} {
		n := 0
		for _, e := range m.blocks {
			if e.NamespaceURI() == nsXRoad && e.Tag == name {
				n++
			}
		}
		if n != 1 {
			errors = append(errors, fmt.Sprintf("%s: occurs %d times", name, n))
		}
	}
	for _, e := range m.header.FindElements("service/serviceCode") {
		code := e.Text()
		if m.body.NamespaceURI() != nsEnvelope && m.body.Tag != code+"Request" && m.body.Tag != code+"Response" {
			errors = append(errors, m.body.Tag+" is not a message of "+code)
		}
	}
	return errors
}

// faultErrors checks a SOAP 1.1 fault: its children are unqualified and in this order (§3.5).
func faultErrors(fault *etree.Element) []string {
	var errors []string
	order := []string{"faultcode", "faultstring", "faultactor", "detail"}
	last := -1
	for _, e := range fault.ChildElements() {
		i := slices.Index(order, e.Tag)
		if e.NamespaceURI() != "" || i <= last {
			errors = append(errors, "unexpected "+e.FullTag())
		}
		last = i
	}
	for _, name := range order[:2] {
		if fault.SelectElement(name) == nil {
			errors = append(errors, "no "+name)
		}
	}
	return errors
}

// payload is an element that is to be validated as a document of its own.
type payload struct {
	file, part string
	element    *etree.Element
}

// standalone writes an element with the namespace declarations that were in scope where it stood.
func standalone(e *etree.Element) []byte {
	root := e.Copy()
	for p := e.Parent(); p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			if (a.Space == "xmlns" || a.FullKey() == "xmlns") && root.SelectAttr(a.FullKey()) == nil {
				root.CreateAttr(a.FullKey(), a.Value)
			}
		}
	}
	doc := etree.NewDocumentWithRoot(root)
	b, err := doc.WriteToBytes()
	if err != nil {
		panic(err) // bytes.Buffer does not fail
	}
	return b
}

// schemaSet is a folder with the schemas of some WSDLs, X-Road's schemas, and all.xsd that has all of
// them.
type schemaSet struct{ dir string }

// newSchemaSet takes the inline schemas out of the WSDLs. Their imports are turned to the files in the
// folder, so nothing is read from the network.
func newSchemaSet(t testing.TB, wsdls ...[]byte) schemaSet {
	t.Helper()
	set := schemaSet{t.TempDir()}
	driver := etree.NewDocument()
	root := driver.CreateElement("xs:schema")
	root.CreateAttr("xmlns:xs", nsXSD)
	add := func(space, name string) {
		e := root.CreateElement("xs:import")
		e.CreateAttr("namespace", space)
		e.CreateAttr("schemaLocation", name)
	}

	for _, name := range []string{"identifiers.xsd", "representation.xsd", "security-token.xsd", "xml.xsd", "xroad.xsd"} {
		b, ok := wsdl.Schema(name)
		require.True(t, ok, name)
		set.write(t, name, b)
		add(parse(t, b).Root().SelectAttrValue("targetNamespace", ""), name)
	}
	for i, b := range wsdls {
		schema := only(t, parse(t, b), nsXSD, "schema")
		for _, e := range schema.SelectElements("import") {
			require.Equal(t, nsXRoad, e.SelectAttrValue("namespace", ""))
			e.CreateAttr("schemaLocation", "xroad.xsd")
		}
		name := fmt.Sprintf("wsdl%d.xsd", i)
		set.write(t, name, standalone(schema))
		add(schema.SelectAttrValue("targetNamespace", ""), name)
	}
	b, err := driver.WriteToBytes()
	require.NoError(t, err)
	set.write(t, "all.xsd", b)
	return set
}

func (s schemaSet) write(t testing.TB, name string, b []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), b, 0o600))
}

// validate runs xmllint once over all payloads and returns its complaints by "file part". Elements of
// namespaces that no schema of the set knows are the sender's own header blocks, and are left out.
func (s schemaSet) validate(t testing.TB, xmllint string, payloads []payload) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	keys := map[string]string{} // by file
	args := []string{"--nonet", "--noout", "--schema", "all.xsd"}
	for i, p := range payloads {
		if strings.HasPrefix(p.element.NamespaceURI(), "urn:example:") {
			continue
		}
		name := fmt.Sprintf("payload%d.xml", i)
		s.write(t, name, standalone(p.element))
		keys[name] = p.file + " " + p.part
		got[keys[name]] = nil
		args = append(args, name)
	}
	command := exec.Command(xmllint, args...)
	command.Dir = s.dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	_ = command.Run() // its exit status only repeats what it prints

	verdicts := 0
	for line := range strings.Lines(stderr.String()) {
		line = strings.TrimSpace(line)
		name, rest, _ := strings.Cut(line, ":")
		switch {
		case strings.HasSuffix(line, " validates"), strings.HasSuffix(line, " fails to validate"):
			verdicts++
		case keys[name] != "" && strings.Contains(rest, "Schemas validity error"):
			got[keys[name]] = append(got[keys[name]], rest)
		default:
			require.Fail(t, "xmllint", stderr.String())
		}
	}
	require.Equal(t, len(keys), verdicts, stderr.String())
	return got
}

// lookXmllint returns the path of xmllint. Where it is not installed the test is skipped, unless
// ADAPTER_TEST_TOOLS=required.
func lookXmllint(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("xmllint")
	if err == nil {
		return path
	}
	if os.Getenv("ADAPTER_TEST_TOOLS") == "required" {
		require.NoError(t, err, "ADAPTER_TEST_TOOLS=required")
	}
	t.Skip("SKIPPED, messages were not validated: xmllint is not installed (Debian and Ubuntu: libxml2-utils)")
	return ""
}
