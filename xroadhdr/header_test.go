package xroadhdr_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func TestDiffers(t *testing.T) {
	for _, row := range []struct {
		want   string
		change func(h *xroadhdr.Header)
	}{
		{"", func(h *xroadhdr.Header) {}},
		{"client", func(h *xroadhdr.Header) { h.Client.SubsystemCode = "" }},
		{"client", func(h *xroadhdr.Header) { h.Client.Instance = "EE-DEV" }},
		{"service", func(h *xroadhdr.Header) { h.Service.ServiceVersion = "" }},
		{"id", func(h *xroadhdr.Header) { h.ID = "2" }},
		{"userId", func(h *xroadhdr.Header) { h.UserID = nil }},
		{"userId", func(h *xroadhdr.Header) { h.UserID = new("EE2") }},
		{"issue", func(h *xroadhdr.Header) { h.Issue = new("") }},
		{"representedParty", func(h *xroadhdr.Header) { h.RepresentedParty = nil }},
		{"representedParty", func(h *xroadhdr.Header) {
			h.RepresentedParty = &xroadhdr.RepresentedParty{PartyCode: "11000002"}
		}},
		{"client", func(h *xroadhdr.Header) { h.ID, h.Client.MemberCode = "2", "3" }},
		// not compared by security servers either (§2.1)
		{"", func(h *xroadhdr.Header) {
			h.ProtocolVersion, h.SecurityServer, h.SecurityToken = "4.1", nil, nil
		}},
		{"", func(h *xroadhdr.Header) { h.RequestHash = &xroadhdr.RequestHash{Value: "AAAA"} }},
	} {
		answer := fullHeader()
		row.change(&answer)
		require.Equal(t, row.want, fullHeader().Differs(answer))
		require.Equal(t, row.want, answer.Differs(fullHeader()))
	}
	absent, empty := xroadhdr.Header{}, xroadhdr.Header{Issue: new("")}
	require.Equal(t, "issue", absent.Differs(empty), "absent and empty differ")
}

// Row 15: the token is not told by formatting.
func TestSecurityTokenIsHidden(t *testing.T) {
	h := fullHeader()
	for _, format := range []string{"%v", "%+v", "%s"} {
		require.NotContains(t, fmt.Sprintf(format, h), h.SecurityToken.Value)
		require.NotContains(t, fmt.Sprintf(format, h.SecurityToken), h.SecurityToken.Value)
		require.NotContains(t, fmt.Sprintf(format, *h.SecurityToken), h.SecurityToken.Value)
	}
}

func TestFieldError(t *testing.T) {
	cause := errors.New("cause that quotes a value")
	err := &xroadhdr.FieldError{Code: "InvalidIdentifier", Field: "client/memberCode", Rule: "must not be blank", Err: cause}
	require.Equal(t, "client/memberCode: must not be blank", err.Error())
	require.ErrorIs(t, err, cause)
}

func TestExchange(t *testing.T) {
	e := &xroadhdr.Exchange{RequestID: "1"}
	ctx := xroadhdr.WithExchange(context.Background(), e)
	xroadhdr.ExchangeFrom(ctx).Fault = "Client"
	require.Equal(t, &xroadhdr.Exchange{RequestID: "1", Fault: "Client"}, e)

	none := xroadhdr.ExchangeFrom(context.Background())
	none.Fault = "lost"
	require.NotNil(t, xroadhdr.ExchangeFrom(xroadhdr.WithExchange(context.Background(), nil)))
	require.Equal(t, &xroadhdr.Exchange{}, xroadhdr.ExchangeFrom(context.Background()))
}
