// Package wsdl holds the SOAP contracts: the WSDL that the adapter serves, with its schemas, and the
// one that it consumes.
//
// Served is cpgOrderNotify.wsdl, which describes the service by which EMTA's payment module tells that
// an order changed. Its wording and names are ours, its messages are those that EMTA calls. As it lies
// in the tree it is valid, with the default namespace and address and the schemas beside it; [Notify]
// writes the configured ones in.
//
// Over HTTP the WSDL is <address>?wsdl, and the schemas are one level below: for …/emta?wsdl they are
// …/emta/xroad.xsd and so on. A relative location is resolved against the WSDL's own URL without its
// query, so for …/emta the WSDL has to say "emta/xroad.xsd", where "emta" is the last segment of the
// address. Relative, because a WSDL is read from where the reader finds it (another host name, a port
// forward), not from where its address says; the last segment is the same from everywhere. The schemas
// are siblings and refer to one another by bare name. All of them are served here, xml.xsd too, so
// nothing has to be fetched from the internet, and clients that follow every import load without it.
//
// Consumed is mkrliides.wsdl, the payment module's own contract, byte for byte as given ([EMTA]).
//
// testdata/messages holds the golden messages, which a test validates against these schemas; README.md
// beside this file says where each document is from. Sections in brackets (§8.1) are those of the X-Road
// fact sheet.
package wsdl
