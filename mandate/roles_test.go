package mandate

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoleDefinitions(t *testing.T) {
	s, err := Settings{Namespace: "AT-TEST", Roles: []RoleDefinition{
		{Code: "ESINDAJA", Managing: true, SubDelegable: SubDelegableAsk, Title: Text{ET: "Esindaja"}, Description: Text{ET: "Lisab kasutajaid"}},
		{Code: "AVALDAJA", SubDelegable: SubDelegableNo, Title: Text{ET: "Avaldaja", EN: "Publisher"}},
	}, AuthorizedRoles: []string{"BR_REPRIGHT:SOLEREP"}}.WithDefaults()
	require.NoError(t, err)
	got, err := json.Marshal(s.RoleDefinitions())
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"code":"AT-TEST:ESINDAJA","title":{"et":"Esindaja"},"description":{"et":"Lisab kasutajaid"},"addableBy":["BR_REPRIGHT:SOLEREP"],
		 "delegateType":["NATURAL_PERSON"],"representeeType":["LEGAL_PERSON","NATURAL_PERSON"],"subDelegable":"ASK","subDelegateType":["NATURAL_PERSON"],
		 "subDelegableBy":["NAT_REPRIGHT:SOLEREP"],"waivableBy":["NAT_REPRIGHT:SOLEREP"],"withdrawableBy":["BR_REPRIGHT:SOLEREP"]},
		{"code":"AT-TEST:AVALDAJA","title":{"et":"Avaldaja","en":"Publisher"},"addableBy":["BR_REPRIGHT:SOLEREP"],"delegateType":["NATURAL_PERSON"],
		 "representeeType":["LEGAL_PERSON","NATURAL_PERSON"],"subDelegable":"NO","waivableBy":["NAT_REPRIGHT:SOLEREP"],"withdrawableBy":["BR_REPRIGHT:SOLEREP"]}]`, string(got))
}

func TestModifiedSince(t *testing.T) {
	changed := time.Date(2027, 3, 1, 10, 0, 0, 0, time.UTC)
	now := changed.Add(time.Hour)
	for _, test := range []struct {
		asked string
		want  bool
	}{
		{"", true},
		{"Mon, 01 Mar 2027 10:00:00 GMT", false},
		{"Mon, 01 Mar 2027 09:59:59 GMT", true},
		{"Monday, 01-Mar-27 10:00:00 GMT", false},
		{"Mon Mar  1 10:00:00 2027", false},
		{"2027-03-01T10:00:00Z", false},
		{"2027-03-01T12:00:00+02:00", false},
		{"2027-03-01T11:59:59+02:00", true},
		{"2027-03-01T12:00:00.5+0200", false},
		{"2027-03-01T10:00:01.250Z", false},
		{"2028-03-01T10:00:00Z", true}, // of the future
		{"2027-02-30T10:00:00Z", true},
		{"yesterday", true},
		{"2027-03-01", true},
	} {
		require.Equal(t, test.want, modifiedSince(test.asked, changed, now), test.asked)
	}
}
