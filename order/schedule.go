package order

import "time"

// How long EMTA is asked about an order after its end (EMTA §7).
const (
	closelyAfterEnd = time.Hour                        // at the closest delay
	hourlyAfterEnd  = closelyAfterEnd + 24*time.Hour   // then hourly
	dailyAfterEnd   = hourlyAfterEnd + 30*24*time.Hour // then daily, then no more
	completedDaily  = 30 * 24 * time.Hour              // a completed order is read again, for annulments
	// notFoundGrace is how long after its end an order that EMTA does not know is kept open.
	notFoundGrace = 24 * time.Hour
	// jitter spreads checks, so that orders that were made together are not asked about together for ever.
	jitter = 0.2
)

// nextCheck is when EMTA is to be asked about o again, zero for never. random is in [0, 1).
func (s Settings) nextCheck(o Order, now time.Time, random float64) time.Time {
	delay := s.checkDelay(o, now)
	if delay == 0 && o.isOpenUnknown() {
		delay = 24 * time.Hour // it was thought done with; the next answer closes it
	}
	if delay == 0 {
		return time.Time{}
	}
	if !o.NotFoundAt.IsZero() {
		delay = max(delay, now.Sub(o.NotFoundAt)) // ever more rarely
	}
	next := now.Add(time.Duration(float64(delay) * (1 - jitter + 2*jitter*random)))
	// An order that nobody paid is cancelled soon after its end, and one that EMTA does not know is closed when its
	// grace is over, whatever the delay.
	if end := o.Expires.Add(time.Second); o.State == Created && now.Before(o.Expires) && end.Before(next) {
		next = end
	}
	if end := s.endOf(o).Add(notFoundGrace + time.Second); o.isOpenUnknown() && now.Before(end) && end.Before(next) {
		next = end
	}
	return next
}

// endOf is when the order ends, or must be thought to.
func (s Settings) endOf(o Order) time.Time {
	return firstKnown(o.Expires, o.Started.Add(s.DefaultExpiry))
}

// isOpenUnknown reports whether o is an order that could still be paid, had EMTA not said that it does not know it.
func (o Order) isOpenUnknown() bool {
	return !o.NotFoundAt.IsZero() && (o.State == Created || o.State == Pending)
}

// checkDelay is the plain delay, zero for never.
func (s Settings) checkDelay(o Order, now time.Time) time.Duration {
	if o.State == Creating {
		return nth(s.ListDelays, o.Attempts)
	}
	if o.EMTAOrderID == "" {
		return 0
	}
	if o.State == Completed {
		if now.Before(firstKnown(o.Finished, o.Expires, o.Started).Add(completedDaily)) {
			return 24 * time.Hour
		}
		return 0
	}
	end := s.endOf(o)
	switch {
	case now.Before(end.Add(closelyAfterEnd)):
		if o.State == Cancelled && o.Attempts > 0 {
			return time.Hour // the payer may have been faster than the cancelling, which shows soon
		}
		if o.State == Cancelled {
			return s.Delays[len(s.Delays)-1]
		}
		return nth(s.Delays, o.Attempts)
	case now.Before(end.Add(hourlyAfterEnd)):
		return time.Hour
	case now.Before(end.Add(dailyAfterEnd)):
		return 24 * time.Hour
	}
	return 0
}

// retryDelay is the delay before a notification's next attempt, after attempts that failed.
func (s Settings) retryDelay(attempts int) time.Duration {
	if attempts > 2*len(s.Delays) {
		return time.Hour
	}
	return nth(s.Delays, attempts-1)
}

// offerDelay is the delay after the attempt-th offer of a completion: the first, doubled each time up to the last.
func (s Settings) offerDelay(attempt int) time.Duration {
	delay := s.FirstOffer
	for range attempt - 1 {
		delay *= 2
		if delay >= s.LastOffer {
			return s.LastOffer
		}
	}
	return delay
}

// nth is delays[n], its last where there are fewer.
func nth(delays []time.Duration, n int) time.Duration {
	return delays[max(0, min(n, len(delays)-1))]
}

// firstKnown is the first time that is not zero.
func firstKnown(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
