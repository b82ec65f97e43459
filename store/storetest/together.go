package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
)

// togetherTests have methods meet that lock different rows, or the same in another sequence.
func togetherTests() []test {
	return []test{
		{"of two payments at once one sees the other", testTwoPayments},
		{"changes that keep the same in another sequence", testCrossing},
		{"a start beside changes of its announcement", testStartBesideChange},
		{"leases are taken and renewed beside changes", testLeaseBesideChange},
		{"a lease that is taken over while its holder writes", testTakenOver},
		{"all that writes a notification, at once", testNotificationWriters},
		{"an order gets its id while notifications of it come", testIDWhileNotified},
		{"events of each subject are in the order of its changes", testSubjectOrder},
	}
}

// at runs work in n goroutines at once and waits for all; work reports with t.Error.
func at(n int, work func(i int)) {
	var wait sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-ready
			work(i)
		})
	}
	close(ready)
	wait.Wait()
}

// testTwoPayments completes two orders of an announcement at once: the one that comes second must know.
func testTwoPayments(t *testing.T, s Store) {
	const rounds = 15
	for round := range rounds {
		announcement := int64(100 + round)
		orders := []order.Order{
			started(t, s, announcement, fmt.Sprintf("emta-%d-a", round)), started(t, s, announcement, fmt.Sprintf("emta-%d-b", round)),
		}
		at(len(orders), func(i int) {
			_, err := s.Change(t.Context(), orders[i].ID, "", func(v order.View) (order.Change, error) {
				o := v.Order
				o.State = order.Completed
				for _, other := range v.Others {
					if other.State == order.Completed {
						o.DuplicateOf = other.ID
					}
				}
				return order.Change{Orders: []order.Order{o}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		found, err := s.OrdersOf(t.Context(), announcement)
		require.NoError(t, err)
		require.Len(t, found, 2)
		duplicates := 0
		for i, o := range found {
			require.Equal(t, order.Completed, o.State)
			if o.DuplicateOf != 0 {
				duplicates++
				require.Equal(t, found[1-i].ID, o.DuplicateOf)
			}
		}
		require.Equal(t, 1, duplicates, "round %d", round)
	}
}

// testCrossing has changes of two orders that keep the same two suspicions, each its own first.
func testCrossing(t *testing.T, s Store) {
	const callers, each = 6, 8
	a, b := started(t, s, 5, "emta-1"), started(t, s, 6, "emta-2")
	at(callers, func(i int) {
		own, other := a, b
		if i%2 == 1 {
			own, other = b, a
		}
		for range each {
			_, err := s.Change(t.Context(), own.ID, "", func(v order.View) (order.Change, error) {
				v.Order.Attempts++
				return order.Change{Orders: []order.Order{v.Order}}, nil
			})
			if err != nil {
				t.Error(err)
			}
			_, err = s.Change(t.Context(), own.ID, "", func(v order.View) (order.Change, error) {
				return order.Change{Orders: []order.Order{v.Order, v.Order}, Suspicions: []order.Suspicion{
					{At: noon(), EMTAOrderID: own.EMTAOrderID, Reason: "stamp"}, {At: noon(), EMTAOrderID: other.EMTAOrderID, Reason: "stamp"},
				}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for _, o := range []order.Order{a, b} {
		got, err := s.Order(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, callers/2*each, got.Attempts)
	}
	kept, err := s.Suspicions(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, kept, 2)
}

// testStartBesideChange starts anew while the order before is ended, again and again; there is never more than one live
// attempt, and who starts sees the last as it is.
func testStartBesideChange(t *testing.T, s Store) {
	const callers, each = 5, 8
	at(callers, func(int) {
		for range each {
			_, err := s.Start(t.Context(), 5, forAMinute("a"), func(orders []order.Order) (order.Change, error) {
				for _, o := range orders {
					if o.Live {
						return order.Change{}, nil
					}
				}
				o := creating(5)
				return order.Change{New: &o}, nil
			})
			if err != nil {
				t.Error(err)
			}
			orders, err := s.OrdersOf(t.Context(), 5)
			if err != nil || len(orders) == 0 {
				t.Error(len(orders), err)
				return
			}
			_, err = s.Change(t.Context(), orders[0].ID, "", func(v order.View) (order.Change, error) {
				v.Order.Live, v.Order.State = false, order.Cancelled
				return order.Change{Orders: []order.Order{v.Order}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// testLeaseBesideChange has workers take, renew and give back an order while others change it without a lease.
func testLeaseBesideChange(t *testing.T, s Store) {
	const changers, workers, each = 3, 3, 10
	o := due(t, s, "emta-1", noon())
	var mu sync.Mutex
	holder, worked := "", 0
	at(changers+workers, func(i int) {
		for n := range each {
			if i < changers {
				_, err := s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
					v.Order.Attempts++
					return order.Change{Orders: []order.Order{v.Order}}, nil
				})
				if err != nil {
					t.Error(err)
				}
				continue
			}
			token := fmt.Sprintf("worker-%d-%d", i, n)
			taken, err := s.TakeOrders(t.Context(), noon(), forAMinute(token), 1, many)
			if err != nil {
				t.Error(err)
			}
			if len(taken) == 0 {
				continue
			}
			mu.Lock()
			if holder != "" {
				t.Errorf("%s has the order beside %s", token, holder)
			}
			holder = token
			worked++
			mu.Unlock()
			if err := s.RenewOrder(t.Context(), o.ID, forAMinute(token)); err != nil {
				t.Error(err)
			}
			_, err = s.Change(t.Context(), o.ID, token, func(v order.View) (order.Change, error) {
				v.Order.Lists++
				return order.Change{Orders: []order.Order{v.Order}}, nil
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			holder = ""
			mu.Unlock()
			if err := s.ReleaseOrder(t.Context(), o.ID, token); err != nil {
				t.Error(err)
			}
		}
	})
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, changers*each, got.Attempts)
	require.Equal(t, worked, got.Lists)
}

// testTakenOver has a lease that ran out be taken by another at the moment when its holder writes: both never
// succeed in the wrong sequence.
func testTakenOver(t *testing.T, s Store) {
	const rounds = 15
	for round := range rounds {
		o := due(t, s, fmt.Sprintf("emta-%d", round), noon())
		_, err := s.TakeOrder(t.Context(), o.ID, noon(), forAMinute("first"))
		require.NoError(t, err)
		var seen order.Order
		var wrote, took error
		at(2, func(i int) {
			if i == 0 {
				_, wrote = s.Change(t.Context(), o.ID, "first", func(v order.View) (order.Change, error) {
					v.Order.Attempts = 1
					return order.Change{Orders: []order.Order{v.Order}}, nil
				})
				return
			}
			seen, took = s.TakeOrder(t.Context(), o.ID, noon().Add(time.Minute), order.Lease{Token: "second", Until: noon().Add(time.Hour)})
		})
		require.NoError(t, took)
		if wrote != nil {
			require.ErrorIs(t, wrote, order.ErrLeaseLost)
			require.Equal(t, 0, seen.Attempts)
			continue
		}
		require.Equal(t, 1, seen.Attempts, "who took over sees what was written before")
	}
}

// testNotificationWriters adds to one notification from each method that writes it.
func testNotificationWriters(t *testing.T, s Store) {
	const callers, each = 6, 8
	o := started(t, s, 5, "emta-1")
	notify(t, s, "emta-1", noon())
	n, err := s.OpenNotification(t.Context(), "emta-1")
	require.NoError(t, err)
	at(callers, func(i int) {
		for range each {
			var err error
			switch i % 3 {
			case 0:
				err = s.Notified(t.Context(), "emta-1", func(k order.Known) (order.Change, error) {
					k.Open.Attempts++
					k.Order.Attempts++
					return order.Change{Notifications: []order.Notification{*k.Open}, Orders: []order.Order{*k.Order}}, nil
				})
			case 1:
				_, err = s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
					v.Open.Attempts++
					v.Order.Attempts++
					return order.Change{Notifications: []order.Notification{*v.Open}, Orders: []order.Order{v.Order}}, nil
				})
			case 2:
				err = s.ChangeNotification(t.Context(), n.ID, "", func(n order.Notification) (order.Change, error) {
					n.Attempts++
					return order.Change{Notifications: []order.Notification{n}}, nil
				})
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	n, err = s.OpenNotification(t.Context(), "emta-1")
	require.NoError(t, err)
	require.Equal(t, callers*each, n.Attempts)
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, callers*each*2/3, got.Attempts)
}

// testIDWhileNotified gives an order its id while EMTA notifies of it: the notification is stored once, and
// either knows the order or is due by itself.
func testIDWhileNotified(t *testing.T, s Store) {
	const rounds, notifiers = 10, 3
	for round := range rounds {
		id := fmt.Sprintf("emta-%d", round)
		o := start(t, s, creating(int64(100+round)))
		at(notifiers+1, func(i int) {
			if i < notifiers {
				err := s.Notified(t.Context(), id, func(k order.Known) (order.Change, error) {
					n := order.Notification{EMTAOrderID: id, NotifiedAt: noon()}
					if k.Open != nil {
						n = *k.Open
					}
					n.NotifiedAt = n.NotifiedAt.Add(time.Microsecond)
					c := order.Change{}
					if k.Order == nil {
						n.NextCheck = noon()
					} else {
						k.Order.NextCheck = noon()
						c.Orders = []order.Order{*k.Order}
					}
					c.Notifications = []order.Notification{n}
					return c, nil
				})
				if err != nil {
					t.Error(err)
				}
				return
			}
			_, err := s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
				v.Order.EMTAOrderID, v.Order.State, v.Order.NextCheck = id, order.Created, noon().Add(time.Hour)
				return order.Change{Orders: []order.Order{v.Order}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		n, err := s.OpenNotification(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, noon().Add(notifiers*time.Microsecond), n.NotifiedAt)
		got, err := s.Order(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, id, got.EMTAOrderID)
		require.True(t, n.NextCheck.Equal(noon()) || got.NextCheck.Equal(noon()), "somebody asks EMTA at once")
	}
}

// testSubjectOrder numbers the changes of two orders in their events.
func testSubjectOrder(t *testing.T, s Store) {
	const callers, each = 6, 8
	orders := []order.Order{started(t, s, 5, "emta-1"), started(t, s, 6, "emta-2")}
	at(callers, func(i int) {
		for range each {
			_, err := s.Change(t.Context(), orders[i%2].ID, "", func(v order.View) (order.Change, error) {
				v.Order.Attempts++
				return order.Change{Orders: []order.Order{v.Order}, Events: []event.Event{occurrence(v.Order.ID, v.Order.Attempts)}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	events, err := s.Events(t.Context(), 0, 1000)
	require.NoError(t, err)
	got, want := map[string][]string{}, map[string][]string{}
	for _, e := range events {
		got[e.Subject] = append(got[e.Subject], e.ID)
	}
	for _, o := range orders {
		for n := range callers / 2 * each {
			e := occurrence(o.ID, n+1)
			want[e.Subject] = append(want[e.Subject], e.ID)
		}
	}
	require.Equal(t, want, got)
}
