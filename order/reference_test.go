package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/order"
)

// EMTA §4: reference numbers by the 7-3-1 rule of the Estonian banks. 123 is that of EMTA's sample.
func TestReferenceNumberValid(t *testing.T) {
	for _, good := range []string{"123", "13", "26", "39", "1232", "1245", "12344", "1234561", "121312952", "12345678907",
		"00000000000000000000000000000000013"} {
		require.True(t, order.ReferenceNumberValid(good), good)
	}
	for _, bad := range []string{"", "1", "3", "12", "122", "124", "1231", "1234567", "132", "213", " 123", "123 ", "12 3", "12-3", "RF123", "+123", "-123",
		"1.3", "12e", "１２３", "१३", "123\n", "\x00123", "12\x003"} {
		require.False(t, order.ReferenceNumberValid(bad), "%q", bad)
	}
}

func TestReferenceCheckDigit(t *testing.T) {
	for digits, want := range map[string]byte{"12": '3', "123": '2', "1234": '4', "123456": '1', "12131295": '2', "1": '3', "9": '7', "0": '0', "10": '7'} {
		require.Equal(t, string(want), string(order.ReferenceCheckDigit(digits)), digits)
	}
}

// The check digit makes any digits a reference number, no other one does, and one wrong digit anywhere is noticed.
func TestReferenceCheckDigitFindsOneWrongDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{1,34}`).Draw(t, "digits")
		number := []byte(digits + string(order.ReferenceCheckDigit(digits)))
		if !order.ReferenceNumberValid(string(number)) {
			t.Fatalf("%s is refused", number)
		}
		at := rapid.IntRange(0, len(number)-1).Draw(t, "position")
		number[at] = '0' + (number[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "change")))%10
		if order.ReferenceNumberValid(string(number)) {
			t.Fatalf("%s is taken, digit %d of %s changed", number, at, digits)
		}
	})
}
