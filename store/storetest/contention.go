package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
)

func contentionTests() []test {
	return []test{
		{"changes of one order run one after another", testCounter},
		{"notifications of one id run one after another", testNotifiedAtOnce},
		{"a reader sees only what is committed", testReaders},
		{"what was answered is seen", testAnsweredIsSeen},
		{"of many at once, who fails fails alone", testFailsAlone},
	}
}

// testCounter adds to one order from many sides; a lost update would show.
func testCounter(t *testing.T, s Store) {
	const callers, each = 8, 10
	o := started(t, s, 5, "emta-1")
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			for i := range each {
				var err error
				add := func(found order.Order) order.Change {
					found.Attempts++
					return order.Change{Orders: []order.Order{found}, Events: []event.Event{occurrence(o.ID, c*each+i)}}
				}
				if c%2 == 0 {
					_, err = s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) { return add(v.Order), nil })
				} else {
					err = s.Notified(t.Context(), "emta-1", func(k order.Known) (order.Change, error) { return add(*k.Order), nil })
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, callers*each, got.Attempts)
	events, err := s.Events(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Len(t, events, callers*each)
}

func testNotifiedAtOnce(t *testing.T, s Store) {
	const callers = 8
	stored, renewed := 0, 0
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			first := false
			err := s.Notified(t.Context(), "unknown-1", func(k order.Known) (order.Change, error) {
				first = k.Open == nil
				n := order.Notification{EMTAOrderID: "unknown-1", NotifiedAt: noon(), NextCheck: noon()}
				if !first {
					n = *k.Open
					n.NotifiedAt = n.NotifiedAt.Add(1000) // a microsecond
				}
				return order.Change{Notifications: []order.Notification{n}}, nil
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if first {
				stored++
			} else {
				renewed++
			}
		})
	}
	wait.Wait()
	require.Equal(t, 1, stored)
	require.Equal(t, callers-1, renewed)
	open, err := s.OpenNotification(t.Context(), "unknown-1")
	require.NoError(t, err)
	require.Equal(t, noon().Add((callers-1)*1000), open.NotifiedAt)
}

// testReaders has a writer keep two fields of an order equal, and abandon changes that would part them.
func testReaders(t *testing.T, s Store) {
	const changes, readers = 30, 4
	o := started(t, s, 5, "emta-1")
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		defer close(done)
		for i := range changes {
			_, err := s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
				next := v.Order
				next.Attempts, next.ReferenceNumber = i, fmt.Sprint(i)
				return order.Change{Orders: []order.Order{next}}, nil
			})
			if err != nil {
				t.Error(err)
			}
			// The second row of this change is refused, after the first was written.
			_, err = s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
				lie, absent := v.Order, v.Order
				lie.Attempts, absent.ID = -1, v.Order.ID+1000
				return order.Change{Orders: []order.Order{lie, absent}}, nil
			})
			if err == nil {
				t.Error("wrote an order that is not there")
			}
		}
	})
	for range readers {
		wait.Go(func() {
			last := -1
			for {
				got, err := s.Order(t.Context(), o.ID)
				if err != nil {
					t.Error(err)
					return
				}
				if got.ReferenceNumber != o.ReferenceNumber {
					if got.ReferenceNumber != fmt.Sprint(got.Attempts) || got.Attempts < last {
						t.Errorf("attempts %d with number %s after %d", got.Attempts, got.ReferenceNumber, last)
						return
					}
					last = got.Attempts
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	wait.Wait()
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, changes-1, got.Attempts)
}

// testAnsweredIsSeen reads after each answer, among others who write: no answer comes before its commit.
func testAnsweredIsSeen(t *testing.T, s Store) {
	const callers, each = 16, 6
	var wait sync.WaitGroup
	for c := range callers {
		o := started(t, s, int64(c+1), fmt.Sprintf("emta-%d", c))
		wait.Go(func() {
			for i := range each {
				o.Attempts = i + 1
				_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) {
					return order.Change{Orders: []order.Order{o}}, nil
				})
				if err != nil {
					t.Error(err)
					return
				}
				if seen, err := s.Order(t.Context(), o.ID); err != nil || seen.Attempts != i+1 {
					t.Errorf("order %d: wrote %d, read %d, %v", o.ID, i+1, seen.Attempts, err)
				}
			}
		})
	}
	wait.Wait()
}

// testFailsAlone has callers who fail in different ways, each after it could write, beside callers who do not.
func testFailsAlone(t *testing.T, s Store) {
	const callers = 40
	shared := started(t, s, 5, "emta-shared")
	refused := errors.New("refused")
	good := func(c int) order.Change {
		return order.Change{Notifications: []order.Notification{{EMTAOrderID: fmt.Sprintf("emta-%d", c), NotifiedAt: noon()}},
			Events: []event.Event{occurrence(shared.ID, c)}}
	}
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var panicked any
			err := func() error {
				defer func() { panicked = recover() }()
				return s.Notified(ctx, fmt.Sprintf("emta-%d", c), func(order.Known) (order.Change, error) {
					change := good(c)
					switch c % 5 {
					case 1:
						return change, refused
					case 2:
						change.Events = append(change.Events, change.Events[0]) // behind rows that could be written
					case 3:
						cancel()
					case 4:
						panic(c)
					}
					return change, nil
				})
			}()
			if want := [5]error{nil, refused, order.ErrConflict, context.Canceled, nil}[c%5]; !errors.Is(err, want) {
				t.Errorf("caller %d: %v, want %v", c, err, want)
			}
			if (panicked == any(c)) != (c%5 == 4) {
				t.Errorf("caller %d: panic %v", c, panicked)
			}
		})
	}
	wait.Wait()
	events, err := s.Events(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Len(t, events, callers/5)
	for c := range callers {
		_, err := s.OpenNotification(t.Context(), fmt.Sprintf("emta-%d", c))
		if c%5 == 0 {
			require.NoError(t, err, c)
			continue
		}
		require.ErrorIs(t, err, order.ErrNotFound, c)
	}
}
