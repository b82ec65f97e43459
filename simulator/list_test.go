package simulator_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// listed is the stamps of a list's answer, and Total or the fault.
func listed(t *testing.T, b *bench, content string) (stamps, total string) {
	t.Helper()
	doc := b.call(t, bodyRequest(t, "cpgOrderList", content))
	var all []string
	for _, el := range doc.FindElements("//Orders/Order/Merchant/Stamp") {
		all = append(all, el.Text())
	}
	if fault := at(doc, "Fault/faultcode"); fault != "" {
		return "", fault
	}
	require.NotNil(t, doc.FindElement("//Orders"))
	return strings.Join(all, " "), at(doc, "Meta/Total")
}

func TestList(t *testing.T) {
	first := simulator.ListOptions{FirstPage: 1, PageSize: 2}
	for _, tt := range []struct {
		name           string
		o              simulator.ListOptions
		content        string
		stamps, totals string
	}{
		{"everything", simulator.ListOptions{}, "", "1 2 3 4 5", "5"},
		{"newest first", simulator.ListOptions{NewestFirst: true}, "", "5 4 3 2 1", "5"},
		{"first page is 0", simulator.ListOptions{}, "<count>2</count><page>0</page>", "1 2", "5"},
		{"second page is 1", simulator.ListOptions{}, "<count>2</count><page>1</page>", "3 4", "5"},
		{"last page", simulator.ListOptions{}, "<count>2</count><page>2</page>", "5", "5"},
		{"beyond the last", simulator.ListOptions{}, "<count>2</count><page>3</page>", "", "5"},
		{"far beyond", simulator.ListOptions{}, "<count>1000000</count><page>1000000</page>", "", "5"},
		{"first page is 1", first, "<page>1</page>", "1 2", "5"},
		{"third page is 3", first, "<page>3</page>", "5", "5"},
		{"no page means the first", first, "", "1 2", "5"},
		{"page 0 of pages from 1", first, "<page>0</page>", "", "Error"},
		{"largest page", simulator.ListOptions{MaxPageSize: 3}, "<count>100</count>", "1 2 3", "5"},
		{"not a number", simulator.ListOptions{}, "<count>two</count>", "", "Error"},
		{"count 0", simulator.ListOptions{}, "<count>0</count>", "", "Error"},
		{"from", simulator.ListOptions{}, "<from>2026-03-02T12:00:00+00:00</from>", "3 4 5", "3"},
		{"from with another offset", simulator.ListOptions{}, "<from>2026-03-02T14:00:00+02:00</from>", "3 4 5", "3"},
		{"to is included", simulator.ListOptions{}, "<to>2026-03-02T11:00:00.251Z</to>", "1 2", "2"},
		{"to is not included", simulator.ListOptions{ExclusiveTo: true}, "<to>2026-03-02T11:00:00.251Z</to>", "1", "1"},
		{"the day of to is included", simulator.ListOptions{}, "<to>2026-03-02</to><from>2026-03-02</from>", "1 2 3 4 5", "5"},
		{"no offset", simulator.ListOptions{}, "<from>2026-03-02T12:00:00</from>", "3 4 5", "3"},
		{"an unknown date", simulator.ListOptions{}, "<from>02.03.2026</from>", "", "Error"},
		{"an Estonian date", simulator.ListOptions{DateFormats: []string{"02.01.2006"}}, "<from>02.03.2026</from>", "1 2 3 4 5", "5"},
		{"only Estonian dates", simulator.ListOptions{DateFormats: []string{"02.01.2006"}}, "<from>2026-03-02</from>", "", "Error"},
		{"by state", simulator.ListOptions{}, "<state>completed</state>", "2", "1"},
		{"by id", simulator.ListOptions{}, "<id>00000000-0000-4000-8000-000000000001</id>", "1", "1"},
		{"none", simulator.ListOptions{}, "<state>lost</state>", "", "0"},
		{"sort", simulator.ListOptions{}, "<sort>-created</sort>", "5 4 3 2 1", "5"},
		{"sort in words", simulator.ListOptions{}, "<sort>created desc</sort>", "5 4 3 2 1", "5"},
		{"sort with a comma", simulator.ListOptions{NewestFirst: true}, "<sort>Created,asc</sort>", "1 2 3 4 5", "5"},
		{"sort with a colon", simulator.ListOptions{}, "<sort>created:desc</sort>", "5 4 3 2 1", "5"},
		{"unknown sort is ignored", simulator.ListOptions{}, "<sort>colour</sort>", "1 2 3 4 5", "5"},
		{"unknown sort is refused", simulator.ListOptions{StrictSort: true}, "<sort>colour</sort>", "", "Error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{List: tt.o, Expiry: 24 * time.Hour})
			for i := range 5 {
				id := b.create(t, strconv.Itoa(i+1))
				if i == 1 {
					require.NoError(t, b.emta.Pay(id))
				}
				b.clock.advance(time.Hour)
			}
			stamps, total := listed(t, b, tt.content)
			require.Equal(t, tt.stamps, stamps)
			require.Equal(t, tt.totals, total)
		})
	}
}

func TestListShowsOwnOrdersOnly(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	rival := shop
	rival.SubsystemCode = "other"
	b.server.Register(rival)
	b.server.Allow(rival, gateway, "cpgOrderList")
	b.create(t, "1")
	request := strings.Replace(bodyRequest(t, "cpgOrderList", ""), ">TKT<", ">other<", 1)
	doc := b.call(t, request)
	require.Equal(t, "0", at(doc, "Meta/Total"))
	require.Empty(t, doc.FindElement("//Orders").ChildElements())
}
