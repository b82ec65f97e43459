package wsdl

import "embed"

//go:embed identifiers.xsd representation.xsd security-token.xsd xml.xsd xroad.xsd
var schemas embed.FS

// Schema returns the XML schema of that file name: xroad.xsd (the X-Road header fields), which imports
// identifiers.xsd and xml.xsd, or representation.xsd or security-token.xsd (header fields of X-Road's
// extensions). It reports false for any other name. The caller may change the bytes.
func Schema(name string) ([]byte, bool) {
	b, err := schemas.ReadFile(name)
	return b, err == nil
}

//go:embed mkrliides.wsdl
var emta string

// EMTA returns the WSDL of the payment module's services that we call (cpgOrderInit, cpgOrderGet,
// cpgOrderList, cpgOrderCancel), as EMTA gave it. It names the schema of X-Road where it is published;
// Schema has it. The caller may change the bytes.
func EMTA() []byte {
	return []byte(emta)
}
