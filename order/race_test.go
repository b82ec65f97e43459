//go:build race

package order_test

import "flag"

// Under the race detector a step of the model takes some thirty times as long: it takes fewer checks to look at every pair of
// goroutines than at every state. The flag on the command line still decides.
func init() {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
}
