// Package mask takes out of text and message bodies what may not stand in a log: personal codes, e-mail
// addresses, tokens, passwords, and what is configured. Both logs use it (NA-94, NA-95).
//
// Text masks what can be recognised in free text, Named knows field names too, and a Masker knows the shapes of
// bodies: XML by element name, JSON by path, forms and multipart. A body that cannot be read is masked whole: nothing is let
// through because it was not understood. Whoever wants to hide a code from this package can; it is made against
// carelessness, ours and a partner's, not against that.
package mask
