package main

import (
	"context"
	"strconv"
	"time"

	"ametlikudteadaanded.ee/adapter/soap"
)

// roundTrip asks EMTA for the first page of yesterday's and today's orders, which changes nothing.
func (d *doctor) roundTrip(ctx context.Context, found *diagnosis) {
	const check = "EMTA round trip"
	s := d.settings
	if s.EMTA.Service == "" || s.XRoad.SecurityServer == "" {
		return // told by others
	}
	now := d.now().In(estonia)
	c := &callCommand{Service: "cpgOrderList", Page: strconv.Itoa(s.EMTA.List.FirstPage), Count: "1",
		From: now.Add(-24 * time.Hour).Format(s.EMTA.List.DateFormat), To: now.Format(s.EMTA.List.DateFormat)}
	h, err := c.header(s)
	if err != nil {
		return // told by the check of identifiers
	}
	body, err := c.soapBody()
	if err != nil {
		found.fail(check, "tell the adapter's makers", "%v", err)
		return
	}
	begin := d.now()
	m, err := d.send(ctx, soap.Call{Header: h, Body: body, Response: responseName(body)})
	if err != nil {
		what, advice := d.adviceCall(err)
		found.fail(check, advice, "cpgOrderList %s", what)
		return
	}
	_ = m.Close() // it has no attachments
	found.ok(check, "cpgOrderList was answered in %s", d.now().Sub(begin).Round(time.Millisecond))
}
