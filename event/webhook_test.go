package event_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
)

// secret is a signing secret of 32 bytes that nothing else uses.
const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// core is who receives the webhook; it answers 204 unless answer says otherwise.
type core struct {
	t      testing.TB
	mu     sync.Mutex
	heard  []string // webhook ids that came, answered how ever
	bodies []string
	answer func(w http.ResponseWriter, id string)
}

func (c *core) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id, timestamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	signature := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if r.Header.Get("webhook-signature") != signature || r.Method != "POST" || r.Header.Get("Content-Type") != "application/cloudevents+json" {
		c.t.Errorf("not a webhook as it should be: %s %v", r.Method, r.Header)
	}
	c.mu.Lock()
	c.heard, c.bodies = append(c.heard, id), append(c.bodies, timestamp+" "+string(body))
	answer := c.answer
	c.mu.Unlock()
	if answer != nil {
		answer(w, id)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// ids returns what came since the last call.
func (c *core) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := c.heard
	c.heard = nil
	return ids
}

func (c *core) answers(f func(w http.ResponseWriter, id string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func status(code int) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) { w.WriteHeader(code) }
}

// scene is a house, its core and a webhook between them.
type scene struct {
	*house
	core     *core
	webhook  *event.Webhook
	attempts []event.Attempt
	log      bytes.Buffer
	url      string
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{house: newHouse(t), core: &core{t: t}}
	server := httptest.NewServer(s.core)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.webhook = s.replica("r1")
	return s
}

func (s *scene) options(name string) event.WebhookOptions {
	var mu sync.Mutex
	tokens := 0
	return event.WebhookOptions{
		URL: s.url + "/hook?key=hidden", Secret: secret, Now: s.clock.Now,
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			tokens++
			return fmt.Sprintf("%s-%d", name, tokens)
		},
		Random:    func() float64 { return 0.5 }, // no jitter
		Logger:    slog.New(slog.NewTextHandler(&s.log, nil)),
		Attempted: func(a event.Attempt) { s.attempts = append(s.attempts, a) },
	}
}

func (s *scene) replica(name string) *event.Webhook {
	s.t.Helper()
	w, err := event.NewWebhook(s.Store, s.options(name))
	require.NoError(s.t, err)
	return w
}

// pass runs one pass and returns what the core heard in it.
func (s *scene) pass() []string {
	s.t.Helper()
	before, _, err := s.Backlog(context.Background())
	require.NoError(s.t, err)
	n, err := s.webhook.Deliver(context.Background())
	require.NoError(s.t, err)
	after, _, err := s.Backlog(context.Background())
	require.NoError(s.t, err)
	require.Equal(s.t, before-after, n, "what was delivered is what left the backlog")
	return s.core.ids()
}

func TestWebhookDelivers(t *testing.T) {
	s := newScene(t)
	require.Empty(t, s.pass())
	s.start(1, "order.created", "order.completed")
	s.start(2, "order.created")
	require.Equal(t, []string{"e1", "e2", "e3"}, s.pass())
	require.Empty(t, s.pass(), "once delivered is enough")
	require.Equal(t, golden(t, "webhook.txt"), s.core.bodies[1]+"\n")
	require.Len(t, s.attempts, 3)
	require.Equal(t, event.Attempt{Type: "order.created", Delivered: true, Status: 204}, s.attempts[0])
	require.Empty(t, s.log.String())
}

func TestWebhookAnswersThatAreDelivery(t *testing.T) {
	for _, test := range []struct {
		status int
		want   bool
	}{
		{200, true}, {201, true}, {202, true}, {204, true}, {299, true},
		{301, false}, {304, false}, {307, false}, {400, false}, {401, false}, {404, false}, {409, false}, {410, false}, {429, false}, {500, false}, {503, false},
	} {
		s := newScene(t)
		s.core.answers(status(test.status))
		s.start(1, "order.created")
		require.Equal(t, []string{"e1"}, s.pass(), test.status)
		require.Equal(t, test.want, s.attempts[0].Delivered, test.status)
		s.clock.advance(24 * time.Hour)
		require.Equal(t, !test.want, len(s.pass()) == 1, test.status)
	}
}

func TestWebhookTriesAgainEverMoreRarely(t *testing.T) {
	s := newScene(t)
	s.core.answers(status(500))
	s.start(1, "order.created")
	require.Len(t, s.pass(), 1)
	for _, wait := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600} {
		s.clock.advance(wait*time.Second - time.Millisecond)
		require.Empty(t, s.pass(), wait)
		s.clock.advance(time.Millisecond)
		require.Equal(t, []string{"e1"}, s.pass(), wait)
	}
	s.core.answers(nil)
	s.clock.advance(time.Hour)
	require.Equal(t, []string{"e1"}, s.pass())
	require.Contains(t, s.log.String(), `event=e1 type=order.created reason="status 500" attempt=1`)
	require.NotContains(t, s.log.String(), "hidden")
}

func TestWebhookJitter(t *testing.T) {
	for _, test := range []struct {
		random float64
		wait   time.Duration
	}{
		{0, 4 * time.Second},
		{0.5, 5 * time.Second},
		{0.999, 5998 * time.Millisecond},
	} {
		s := newScene(t)
		options := s.options("r1")
		options.Random = func() float64 { return test.random }
		var err error
		s.webhook, err = event.NewWebhook(s.Store, options)
		require.NoError(t, err)
		s.core.answers(status(500))
		s.start(1, "order.created")
		require.Len(t, s.pass(), 1)
		s.clock.advance(test.wait - time.Millisecond)
		require.Empty(t, s.pass(), test.random)
		s.clock.advance(time.Millisecond)
		require.Len(t, s.pass(), 1, test.random)
	}
}

func TestWebhookKeepsTheOrderOfASubject(t *testing.T) {
	s := newScene(t)
	refuse := "e1"
	s.core.answers(func(w http.ResponseWriter, id string) {
		if id == refuse {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	first := s.start(1, "order.created", "order.pending")
	s.start(2, "order.created")
	require.Equal(t, []string{"e1", "e3"}, s.pass(), "another subject does not wait")
	s.append(first, "order.completed")
	require.Empty(t, s.pass())
	s.clock.advance(5 * time.Second)
	refuse = ""
	require.Equal(t, []string{"e1", "e2", "e4"}, s.pass())
}

func TestWebhookNetworkFailures(t *testing.T) {
	s := newScene(t)
	s.start(1, "order.created")
	s.core.answers(func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) })
	require.Equal(t, []string{"e1"}, s.pass())
	require.Equal(t, "network", s.attempts[0].Failure)

	// An answer cut short after its status is delivery: the core has accepted.
	s.clock.advance(5 * time.Second)
	s.core.answers(func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(http.StatusOK)
	})
	require.Equal(t, []string{"e1"}, s.pass())
	require.True(t, s.attempts[1].Delivered)
}

func TestWebhookTimeout(t *testing.T) {
	s := newScene(t)
	release := make(chan struct{})
	defer close(release)
	s.core.answers(func(http.ResponseWriter, string) { <-release })
	options := s.options("r1")
	options.Timeout = 20 * time.Millisecond
	var err error
	s.webhook, err = event.NewWebhook(s.Store, options)
	require.NoError(t, err)
	s.start(1, "order.created")
	_ = s.pass()
	require.Equal(t, "timeout", s.attempts[0].Failure)
}

func TestWebhookLostLeaseIsNoError(t *testing.T) {
	for _, code := range []int{204, 500} {
		s := newScene(t)
		s.start(1, "order.created")
		taken := 0
		s.core.answers(func(w http.ResponseWriter, _ string) {
			// Delivering took so long that another replica took over.
			s.clock.advance(25 * time.Second)
			again, err := s.TakeDeliveries(context.Background(), s.clock.Now(), "r2", s.clock.Now().Add(time.Minute), 10)
			if err != nil {
				t.Error(err)
			}
			taken += len(again)
			w.WriteHeader(code)
		})
		require.Equal(t, []string{"e1"}, s.pass())
		require.Equal(t, 1, taken, "the lease lasts for the timeout and ten seconds")
		require.NoError(t, s.Delivered(context.Background(), 1, "r2", s.clock.Now()), "the other's lease is untouched")
	}
}

func TestWebhookLeaseLastsAsLongAsADelivery(t *testing.T) {
	s := newScene(t)
	s.start(1, "order.created")
	s.core.answers(func(w http.ResponseWriter, _ string) {
		s.clock.advance(25*time.Second - time.Millisecond)
		again, err := s.TakeDeliveries(context.Background(), s.clock.Now(), "r2", s.clock.Now().Add(time.Minute), 10)
		if err != nil || len(again) > 0 {
			t.Errorf("taken from under us: %v %v", again, err)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	require.Equal(t, []string{"e1"}, s.pass())
}

func TestWebhookOfTwoReplicas(t *testing.T) {
	s := newScene(t)
	var want []string
	for i := range 20 {
		s.start(int64(i+1), "order.created", "order.completed")
		want = append(want, fmt.Sprintf("e%d", 2*i+1), fmt.Sprintf("e%d", 2*i+2))
	}
	s.webhook = nil
	var wait sync.WaitGroup
	delivered := make([]int, 2)
	for i := range delivered {
		options := s.options(fmt.Sprintf("r%d", i))
		options.Attempted = nil
		w, err := event.NewWebhook(s.Store, options)
		require.NoError(t, err)
		wait.Go(func() {
			n, err := w.Deliver(context.Background())
			if err != nil {
				t.Error(err)
			}
			delivered[i] = n
		})
	}
	wait.Wait()
	heard := s.core.ids()
	require.ElementsMatch(t, want, heard, "each once")
	require.Equal(t, 40, delivered[0]+delivered[1])
	for i := range 20 {
		created, completed := fmt.Sprintf("e%d", 2*i+1), fmt.Sprintf("e%d", 2*i+2)
		require.Less(t, slices.Index(heard, created), slices.Index(heard, completed))
	}
}

func TestWebhookStopping(t *testing.T) {
	s := newScene(t)
	s.start(1, "order.created")
	ctx, stop := context.WithCancel(t.Context())
	release := make(chan struct{})
	s.core.answers(func(http.ResponseWriter, string) {
		stop()
		<-release
	})
	n, err := s.webhook.Deliver(ctx)
	close(release)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
	require.Empty(t, s.attempts, "stopping is no failure of the core's")

	s.core.ids()
	s.core.answers(nil)
	require.Empty(t, s.pass(), "still leased")
	s.clock.advance(25 * time.Second)
	require.Equal(t, []string{"e1"}, s.pass())
}

func TestWebhookRun(t *testing.T) {
	s := newScene(t)
	options := s.options("r1")
	attempted := make(chan event.Attempt)
	options.Attempted = func(a event.Attempt) { attempted <- a }
	w, err := event.NewWebhook(s.Store, options)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })

	id := s.start(1, "order.created")
	w.Wake()
	w.Wake() // never blocks
	require.True(t, (<-attempted).Delivered)
	s.append(id, "order.completed") // nobody wakes it
	require.Equal(t, "order.completed", (<-attempted).Type)
	stop()
	running.Wait()
	require.Empty(t, s.log.String())
}

func TestNewWebhookRefuses(t *testing.T) {
	s := newScene(t)
	long := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))
	for _, test := range []struct{ url, secret, want string }{
		{"", secret, "webhook url: must be an absolute http or https address"},
		{"/hook", secret, "webhook url: must be an absolute http or https address"},
		{"ftp://core/hook", secret, "webhook url: must be an absolute http or https address"},
		{"http://core\x7f/hook", secret, "webhook url: must be an absolute http or https address"},
		{"https:///hook", secret, "webhook url: must be an absolute http or https address"},
		{"https://core/hook", "", "webhook secret: must begin with whsec_"},
		{"https://core/hook", strings.TrimPrefix(secret, "whsec_"), "webhook secret: must begin with whsec_"},
		{"https://core/hook", "whsec_***", "webhook secret: must be Base64 after whsec_"},
		{"https://core/hook", "whsec_c2hvcnQ=", "webhook secret: must have 24 to 64 bytes, has 5"},
		{"https://core/hook", long, "webhook secret: must have 24 to 64 bytes, has 65"},
	} {
		options := s.options("r1")
		options.URL, options.Secret = test.url, test.secret
		_, err := event.NewWebhook(s.Store, options)
		require.EqualError(t, err, test.want)
	}
}

func TestWebhookBodyIsWhatTheFeedShows(t *testing.T) {
	s := newScene(t)
	s.start(1, "order.completed")
	s.pass()
	var page struct{ Items []json.RawMessage }
	require.NoError(t, json.Unmarshal(get(t.Context(), s.house, "").Body.Bytes(), &page))
	_, body, _ := strings.Cut(s.core.bodies[0], " ")
	require.Equal(t, string(page.Items[0]), body)
}
