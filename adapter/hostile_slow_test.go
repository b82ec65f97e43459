package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// A sender that does not come to an end loses its connection, whatever it does meanwhile; until then, and after, good requests
// are answered. The times are the program's own, shortened.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	times := senderTimes{header: 200 * time.Millisecond, whole: 600 * time.Millisecond, idle: 300 * time.Millisecond}
	s := defaultSettings()
	s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	s.Store, s.Core.TokenFile = "sqlite:"+filepath.Join(t.TempDir(), "adapter.db"), filepath.Join(t.TempDir(), "adapter.token")
	s.Log.Dir = t.TempDir()
	program, err := start(t.Context(), s, slog.New(slog.DiscardHandler), Watch{}, times)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, program.Stop()) })
	request, err := os.ReadFile("testdata/hostile/notify.xml")
	require.NoError(t, err)
	address := program.Address("xroad")
	v := &victim{address: address, message: string(request)}

	plain := head(v, "POST", emtaPath, contentTypeXML, length(len(v.message)))
	chunks := head(v, "POST", emtaPath, contentTypeXML, "Transfer-Encoding: chunked")
	alive := strings.Replace(plain, "Connection: close\r\n", "", 1) + v.message
	for _, row := range []struct {
		name, first, then string // then is repeated until the connection ends; "" is silence
		answered          string // part of what comes before the end
		least             time.Duration
	}{
		{"silence from the beginning", "", "", "", times.header},
		{"silence in the request line", "POST /em", "", "", times.header},
		{"silence in the fields", plain[:len(plain)-4], "", "", times.header},
		{"field after field", plain[:len(plain)-2], "a: b\r\n", "", times.header},
		{"silence before the message", plain, "", "broke off", times.whole},
		{"silence in the message", plain + v.message[:200], "", "broke off", times.whole},
		{"byte after byte of the message", plain, " ", "broke off", times.whole},
		{"chunk after chunk", chunks, "1\r\n \r\n", "broke off", times.whole},
		{"silence in a large message", chunks + "8000\r\n" + strings.Repeat(" ", 0x8000) + "\r\n", "", "broke off", times.whole},
		{"silence after a good request", alive, "", "Order not found", times.idle},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(begin.Add(patience)))
			_, err = io.WriteString(conn, row.first)
			require.NoError(t, err)
			var sending sync.WaitGroup
			if row.then != "" {
				sending.Go(func() {
					for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) { // the pace of the attack
						_, err = io.WriteString(conn, row.then)
					}
				})
			}
			_, answer := postSOAP(t, "http://"+address+emtaPath, request)
			require.Contains(t, answer.Fault.String, "Order not found")
			got, err := io.ReadAll(conn)
			require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "the connection does not end")
			require.GreaterOrEqual(t, time.Since(begin), row.least)
			require.Contains(t, string(got), row.answered)
			require.NoError(t, conn.Close())
			sending.Wait()
		})
	}
}

// Large requests wait for one another, and a small one waits for none of them, however slow they are.
func TestLargeRequestsWait(t *testing.T) {
	v := startVictim(t)
	start := head(v, "POST", emtaPath, contentTypeXML, "Transfer-Encoding: chunked") + "8000\r\n" + strings.Repeat(" ", 0x8000)
	var slow []net.Conn
	for range 3 * largeRequests {
		conn, err := net.Dial("tcp", v.address)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(conn, start)
		require.NoError(t, err)
		slow = append(slow, conn)
	}
	v.probe(t, "slow large requests")
	for _, conn := range slow {
		_, err := io.WriteString(conn, "\r\n0\r\n\r\n")
		require.NoError(t, err)
	}
	for _, conn := range slow {
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(got), "must not be empty")
	}
	v.probe(t, "large requests")
}

// The times of a running program are those that its documents tell.
func TestSenderTimesOfTheProgram(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	for _, l := range program.servers {
		require.Equal(t, 10*time.Second, l.http.ReadHeaderTimeout, l.name)
		require.Equal(t, 30*time.Second, l.http.ReadTimeout, l.name)
		require.Equal(t, 2*time.Minute, l.http.IdleTimeout, l.name)
	}
}
