package exchangelog

import "time"

// Limits of segments and of waiting; a zero field has its default.
type Limits struct {
	Segment  int64         // bytes, after which a segment ends; default 64 MiB: some ten thousand exchanges, read at once by any tool
	SealEach time.Duration // after which a segment with records ends; default 1 h: no more than that is ever unsealed
	Wait     time.Duration // that a Required exchange waits for its record; default 5 s, below any partner's patience
	Body     int64         // bytes of a body that are kept; a longer one is kept as its digest; default 1 MiB
}

// maxBatch is how much is written at once: a failed write is repeated whole.
const maxBatch = 4 << 20

// syncEach is how often a stream of responses is made durable, for which nobody waits: they survive the
// process at once, and the machine after this. Each sync is one that the database's commits wait for too.
const syncEach = time.Second

// Between attempts to write to a sink that fails.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

func (l Limits) withDefaults() Limits {
	if l.Segment == 0 {
		l.Segment = 64 << 20
	}
	if l.SealEach == 0 {
		l.SealEach = time.Hour
	}
	if l.Wait == 0 {
		l.Wait = 5 * time.Second
	}
	if l.Body == 0 {
		l.Body = 1 << 20
	}
	return l
}
