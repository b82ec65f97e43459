package order

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/soap"
)

// unanswered are ways in which a call brings no answer of EMTA's or of a security server's.
var unanswered = []error{
	&soap.CallError{Failure: soap.FailedConnection}, &soap.CallError{Failure: soap.FailedBroken},
	&soap.CallError{Failure: soap.FailedTimeout}, &soap.CallError{Failure: soap.FailedHTTP},
}

// What opens a circuit, what closes it, and what does neither.
func TestCircuitCounts(t *testing.T) {
	down := unanswered[0]
	for _, row := range []struct {
		name   string
		called []error
		open   bool
	}{
		{"nothing was called", nil, false},
		{"one failure less", []error{down, down}, false},
		{"of every kind", []error{unanswered[1], unanswered[2], unanswered[3]}, true},
		{"an answer between", []error{down, down, nil, down, down}, false},
		{"a fault is an answer", []error{down, down, &soap.CallError{Failure: soap.FailedFault}, down}, false},
		{"what was not sent is none", []error{down, down, &soap.CallError{Failure: soap.FailedRequest}, down}, true},
		{"what was not logged is none", []error{down, down, errors.New("not logged"), down}, true},
		{"what was not sent closes nothing", []error{down, down, down, errors.New("not logged")}, true},
		{"a fault closes it", []error{down, down, down, &soap.CallError{Failure: soap.FailedFault}}, false},
		{"an answer closes it", []error{down, down, down, nil}, false},
		{"it opens anew only after as many", []error{down, down, down, nil, down, down}, false},
	} {
		c := &circuit{now: func() time.Time { return noon }}
		for _, err := range row.called {
			c.called(err)
		}
		require.Equal(t, row.open, c.open(), row.name)
		require.Equal(t, map[bool]admission{true: noCall, false: anyCall}[row.open], c.admit(), row.name)
	}
}

// Pauses grow, and not beyond what EMTA's return may wait for.
func TestCircuitPauses(t *testing.T) {
	now := noon
	c := &circuit{now: func() time.Time { return now }}
	for range circuitFailures {
		c.called(unanswered[2])
	}
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		now = now.Add(pause*time.Second - 1)
		require.Equal(t, noCall, c.admit(), pause)
		c.called(unanswered[2]) // began before, and ends now: the pause begins again and does not grow
		now = now.Add(pause * time.Second)
		require.Equal(t, probeCall, c.admit(), pause)
		now = now.Add(90 * time.Second)
		require.Equal(t, noCall, c.admit(), "another is being waited for")
		c.called(unanswered[2])
		c.ended(probeCall)
	}
}

// Whatever happens in whatever order: there is one probe at a time, the next one may go out at most lastPause after the last failure, and
// one answer makes all calls free.
func TestCircuitAlwaysRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		c := &circuit{now: func() time.Time { return now }}
		probing := false
		end := func() {
			if probing {
				c.ended(probeCall)
				probing = false
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "passes")))
			},
			"admit": func(t *rapid.T) {
				open := c.open()
				switch c.admit() {
				case probeCall:
					require.False(t, probing, "two probes at a time")
					require.True(t, open)
					probing = true
				case anyCall:
					require.False(t, open)
				}
			},
			"fail": func(t *rapid.T) { c.called(rapid.SampledFrom(unanswered).Draw(t, "failure")) },
			"answer": func(t *rapid.T) {
				c.called(nil)
				require.False(t, c.open())
				require.Equal(t, anyCall, c.admit())
			},
			"end": func(*rapid.T) { end() },
		})
		end()
		now = now.Add(lastPause)
		require.NotEqual(t, noCall, c.admit(), "nobody may call again")
	})
}
