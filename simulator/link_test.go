package simulator_test

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// echo is a target that sends back each line. gone tells of each of its connections that ended.
func echo(t *testing.T, network, address string) (at string, gone <-chan struct{}) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	ended := make(chan struct{}, 100)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
				ended <- struct{}{}
			}()
		}
	}()
	return listener.Addr().String(), ended
}

// talker is a connection through a link.
type talker struct {
	net.Conn
	lines *bufio.Reader
}

func through(t *testing.T, l *simulator.Link) talker {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return talker{c, bufio.NewReader(c)}
}

func (c talker) say(line string) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	said, err := c.lines.ReadString('\n')
	return strings.TrimSuffix(said, "\n"), err
}

// once connects, says one line, and leaves.
func once(t *testing.T, l *simulator.Link, line string) (string, error) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Address())
	if err != nil {
		return "", err
	}
	defer c.Close()
	return talker{c, bufio.NewReader(c)}.say(line)
}

func newLink(t *testing.T, network, target string) *simulator.Link {
	t.Helper()
	l, err := simulator.NewLink(t.Context(), network, target)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// What is carried arrives whole, over TCP and over a socket in the file system, and an end that leaves takes the other with it.
func TestLinkCarries(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		target, gone := echo(t, network, address)
		c := through(t, newLink(t, network, target))
		long := strings.Repeat("õ", 300_000)
		said, err := c.say(long)
		require.NoError(t, err)
		require.True(t, long == said)
		require.NoError(t, c.Close())
		<-gone
	}
}

// A slow link delays each answer once, however many are under way.
func TestLinkSlow(t *testing.T) {
	target, _ := echo(t, "tcp", "127.0.0.1:0")
	l := newLink(t, "tcp", target)
	c := through(t, l)
	const delay, lines = 200 * time.Millisecond, 50
	l.Slow(delay)
	begin := time.Now()
	for range lines {
		_, err := io.WriteString(c, "line\n")
		require.NoError(t, err)
	}
	for range lines {
		_, err := c.lines.ReadString('\n')
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, time.Since(begin), delay)
	require.Less(t, time.Since(begin), lines*delay/2, "the lines waited for one another")
	l.Heal()
	_, err := c.say("quick again")
	require.NoError(t, err)
}

// A cut link ends what is connected and refuses what comes, and is whole again when healed.
func TestLinkCut(t *testing.T) {
	target, gone := echo(t, "tcp", "127.0.0.1:0")
	l := newLink(t, "tcp", target)
	c := through(t, l)
	_, err := c.say("before")
	require.NoError(t, err)
	l.Cut()
	<-gone
	_, err = c.say("during")
	require.Error(t, err)
	_, err = once(t, l, "during")
	require.Error(t, err)
	l.Heal()
	said, err := once(t, l, "after")
	require.NoError(t, err)
	require.Equal(t, "after", said)
}

// On a half open link the target's end is gone and ours hears nothing, not even that, until the link is healed.
func TestLinkHalfOpen(t *testing.T) {
	target, gone := echo(t, "tcp", "127.0.0.1:0")
	l := newLink(t, "tcp", target)
	c := through(t, l)
	_, err := c.say("before")
	require.NoError(t, err)
	l.HalfOpen()
	<-gone
	for _, silent := range []talker{c, through(t, l)} {
		require.NoError(t, silent.SetDeadline(time.Now().Add(50*time.Millisecond)))
		_, err := silent.say("during")
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout(), "%v", err)
		require.NoError(t, silent.SetDeadline(time.Time{}))
	}
	l.Heal()
	_, err = c.lines.ReadString('\n')
	require.Error(t, err, "what was half open is not usable any more")
	said, err := once(t, l, "after")
	require.NoError(t, err)
	require.Equal(t, "after", said)
}

// A target that is not there yet is one that ends each connection.
func TestLinkWithoutTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := newLink(t, "unix", path)
	_, err := once(t, l, "early")
	require.Error(t, err)
	echo(t, "unix", path)
	said, err := once(t, l, "late")
	require.NoError(t, err)
	require.Equal(t, "late", said)
}
