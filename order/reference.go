package order

// ReferenceNumberValid reports whether s is a reference number by the Estonian banks' 7-3-1
// rule (EMTA §4): only digits, the last one the check digit of those before it.
func ReferenceNumberValid(s string) bool {
	if len(s) < 2 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s[len(s)-1] == ReferenceCheckDigit(s[:len(s)-1])
}

// ReferenceCheckDigit is the digit that makes digits a reference number: they are weighted
// 7, 3, 1, 7, … from the right, and the digit fills their sum up to the next ten. digits must be digits.
func ReferenceCheckDigit(digits string) byte {
	weights := [3]int{7, 3, 1}
	sum := 0
	for i := range len(digits) {
		sum += int(digits[len(digits)-1-i]-'0') * weights[i%3]
	}
	return byte('0' + (10-sum%10)%10)
}
