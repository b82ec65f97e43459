package order

import (
	"context"
	"errors"
	"time"

	"ametlikudteadaanded.ee/adapter/event"
)

// Errors that a Store returns, to be tested with errors.Is. What they mean to a
// caller is decided here, not in the store.
var (
	ErrNotFound  = errors.New("not found")
	ErrConflict  = errors.New("conflict")   // another live attempt, or a key that is taken
	ErrLeaseLost = errors.New("lease lost") // the lease is held by another, or expired and was taken
)

// Change is all that one transaction writes. Every row is written whole.
type Change struct {
	Orders        []Order        // rows that exist, by ID
	New           *Order         // a row to insert; the store gives it its ID
	Notifications []Notification // ID 0 is inserted
	Log           []LogEntry
	Events        []event.Event // appended in this order; Subject "" means the new order's
	Suspicions    []Suspicion
	Audits        []Audit
}

// View is what a decision about one order sees, read in the transaction that will write it.
type View struct {
	Order  Order
	Others []Order       // the announcement's other orders, newest first
	Open   *Notification // the unprocessed notification of the order's EMTAOrderID, if any
}

// Known is what a decision about a notification sees.
type Known struct {
	Order       *Order        // the order with that id; nil: none of ours
	Open        *Notification // an unprocessed notification with that id
	Creating    int           // how many orders are Creating, with no id yet; counted only where Order is nil
	OpenUnknown int           // open notifications of ids that no order has; counted only where Order is nil
}

// Lease is the right to call EMTA about one row until a time. Tokens are random.
// Whoever holds it renews it while working; a dead holder's lease runs out within seconds.
type Lease struct {
	Token string
	Until time.Time
}

// Filter selects orders for a page, oldest first.
type Filter struct {
	AnnouncementID int64  // 0: any
	EMTAOrderID    string // "": any
	State          State  // "": any
	After          int64  // orders with a greater ID
	Limit          int
}

// Store keeps orders, notifications and their log. Each method is one transaction, durable
// when it returns. A decide function may run more than once and must have no effect but its
// result; its error ends the transaction and is returned as it is. All methods are safe for
// concurrent use from several replicas. Times are kept to the microsecond, as UTC.
type Store interface {
	// Order returns the order with our key id, or ErrNotFound.
	Order(ctx context.Context, id int64) (Order, error)
	// OrderByEMTA returns the order with EMTA's id, or ErrNotFound.
	OrderByEMTA(ctx context.Context, emtaOrderID string) (Order, error)
	// OrdersOf returns an announcement's orders, newest first.
	OrdersOf(ctx context.Context, announcementID int64) ([]Order, error)
	// Orders returns a page in ascending order of ID.
	Orders(ctx context.Context, f Filter) ([]Order, error)
	// OpenNotification returns the unprocessed notification with EMTA's id, or ErrNotFound.
	OpenNotification(ctx context.Context, emtaOrderID string) (Notification, error)

	// Start locks the announcement, shows decide its orders, newest first, and writes the change.
	// A change with New gets its row under lease. It returns the new order as written, or the zero
	// Order if there is none; ErrConflict if another live attempt exists.
	Start(ctx context.Context, announcementID int64, lease Lease, decide func(orders []Order) (Change, error)) (Order, error)
	// Change shows decide one order, locked, and writes the change. With a token it first checks that the
	// order's lease still has it, else ErrLeaseLost; an empty token asks for no lease. It returns the order
	// as written. Several changes of one order never run at once.
	Change(ctx context.Context, id int64, token string, decide func(v View) (Change, error)) (Order, error)
	// Notified shows decide what is known of EMTA's id and writes the change. Two calls for one id never run at once,
	// nor one beside a Change of its order.
	Notified(ctx context.Context, emtaOrderID string, decide func(k Known) (Change, error)) error
	// ChangeNotification shows decide a notification of an id that no order has, and writes the change.
	// Like Change, it checks the token of the notification's lease.
	ChangeNotification(ctx context.Context, id int64, token string, decide func(n Notification) (Change, error)) error

	// TakeOrders leases at most limit orders whose NextCheck has come and whose lease is free or ran out,
	// the longest due first, and no more than there are places: of the leases that TakeOrders and TakeNotifications gave, at
	// most so many last at a time, whoever holds them. Two callers never get the same order.
	TakeOrders(ctx context.Context, now time.Time, lease Lease, limit, places int) ([]Order, error)
	// TakeNotifications does the same for notifications with a NextCheck.
	TakeNotifications(ctx context.Context, now time.Time, lease Lease, limit, places int) ([]Notification, error)
	// TakeOrder leases one order, due or not, whatever places there are; ErrLeaseLost if another holds it, ErrNotFound if there is none.
	TakeOrder(ctx context.Context, id int64, now time.Time, lease Lease) (Order, error)
	// RenewOrder moves the end of a lease that is still held with this token, else ErrLeaseLost.
	RenewOrder(ctx context.Context, id int64, lease Lease) error
	// ReleaseOrder gives a lease back; one that is no longer held is no error.
	ReleaseOrder(ctx context.Context, id int64, token string) error
	// RenewNotification and ReleaseNotification do the same for a notification.
	RenewNotification(ctx context.Context, id int64, lease Lease) error
	ReleaseNotification(ctx context.Context, id int64, token string) error
	// DueOffers returns the keys of at most limit orders whose NextOffer has come, the longest due first.
	DueOffers(ctx context.Context, now time.Time, limit int) ([]int64, error)

	// Figures counts orders by state and what is due, for metrics and the status page.
	Figures(ctx context.Context, now time.Time) (Figures, error)
	// LogOf returns the order's log, oldest first (AT-CC-007 shows it).
	LogOf(ctx context.Context, id int64) ([]LogEntry, error)
	// Suspicions returns what is kept of EMTA's id, or all with an empty id, oldest first.
	Suspicions(ctx context.Context, emtaOrderID string) ([]Suspicion, error)
	// Audits returns who did what to an order, oldest first.
	Audits(ctx context.Context, id int64) ([]Audit, error)
	// NotificationAudits returns who did what to a notification, oldest first.
	NotificationAudits(ctx context.Context, id int64) ([]Audit, error)
	// ParkedNotifications returns unprocessed notifications with a ParkedAt and a greater ID than after, in ascending order of ID.
	ParkedNotifications(ctx context.Context, after int64, limit int) ([]Notification, error)
}

// Figures are counts for metrics and the status page.
type Figures struct {
	Orders            map[State]int
	DueOrders         int       // NextCheck has come
	OldestDue         time.Time // the longest due NextCheck; zero: none
	OpenNotifications int
	OldestOpen        time.Time // the oldest open notification's NotifiedAt
	Parked            int       // of the open notifications
	UnclaimedOrders   int       // completed, offered, not confirmed
	Mismatches        int
}
