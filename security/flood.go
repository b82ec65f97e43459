package security

import "time"

// window is for how long one event of a kind from one address stands for those that follow.
const window = time.Minute

// maxFlows is how many pairs of kind and address are told apart: what a company's clients need many times over, and
// with a window of a minute the most rows a minute. Further addresses share one flow of each kind.
const maxFlows = 1000

// flow is what came of one kind from one address.
type flow struct {
	began time.Time
	last  Event // of those that were held back
	held  int
}

// flowKey has the caller only where the settings bound how many there are: others write what they like.
type flowKey struct{ kind, address, caller string }

func keyOf(e Event) flowKey {
	key := flowKey{kind: e.Kind, address: e.Address}
	if e.Kind == SessionStarted || e.Kind == SessionEnded {
		key.caller = e.Caller
	}
	return key
}

// flood holds back what repeats itself. It is not safe for concurrent use.
type flood struct{ flows map[flowKey]*flow }

// passes reports whether e is to be kept by itself; otherwise it is counted.
func (f *flood) passes(e Event) bool {
	if f.flows == nil {
		f.flows = map[flowKey]*flow{}
	}
	key := keyOf(e)
	if _, known := f.flows[key]; !known && len(f.flows) >= maxFlows {
		key.address = ""
	}
	running := f.flows[key]
	if running == nil {
		f.flows[key] = &flow{began: e.At}
		return true
	}
	if key.address != e.Address {
		e.Address = "" // of many
	}
	running.last = e
	running.held += e.Count
	return false
}

// due returns an event for each flow whose window is over and that held something back, or for every
// flow at the end; its Count is how many. A flow in which nothing came ends.
func (f *flood) due(now time.Time, end bool) []Event {
	var events []Event
	for key, running := range f.flows {
		switch {
		case !end && now.Sub(running.began) < window:
		case running.held == 0:
			delete(f.flows, key)
		default:
			e := running.last
			e.Count = running.held
			events = append(events, e)
			*running = flow{began: now}
		}
	}
	return events
}
