package exchangelog

// Tally counts the records of a segment, for its seal.
type Tally struct {
	Count    int64
	Previous string // hash before the first
	First    Head
	Last     Head
}

// add counts one more record with its head.
func (t *Tally) add(previous string, h Head) {
	if t.Count == 0 {
		t.Previous, t.First = previous, h
	}
	t.Count++
	t.Last = h
}

// seal is the seal of the segment that was counted, not signed yet.
func (t *Tally) seal(s Stream, segment int) Seal {
	return Seal{Stream: s, Segment: segment, Count: t.Count, Previous: t.Previous, First: t.First, Last: t.Last}
}
