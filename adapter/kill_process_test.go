//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// buildAdapter compiles the program that is killed and stopped here, with ADAPTER_TEST_RACE set under the race detector.
func buildAdapter(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "adapter")
	args := []string{"build", "-o", binary}
	if os.Getenv("ADAPTER_TEST_RACE") != "" {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// installation is one adapter with its settings file; its processes come and go.
type installation struct {
	binary   string
	config   string
	output   string // what all its processes wrote
	settings Settings
}

// install writes the settings of an adapter that is wired to world. Its ports stay the same from process to process.
func install(t testing.TB, binary string, world *simulator.World, change func(*Settings)) installation {
	t.Helper()
	folder := t.TempDir()
	s := demoSettings(world, folder)
	addresses := freeAddresses(t, 3)
	s.Listen = Listen{XRoad: addresses[0], Core: addresses[1], Ops: addresses[2]}
	if change != nil {
		change(&s)
	}
	in := installation{binary: binary, config: filepath.Join(folder, "adapter.yaml"), output: filepath.Join(folder, "output"), settings: s}
	in.write(t)
	return in
}

// write writes the settings file.
func (in installation) write(t testing.TB) {
	t.Helper()
	text, err := yaml.Marshal(in.settings)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(in.config, text, 0o600))
}

// attached tells where the simulators find the adapter.
func (in installation) attached(t testing.TB) simulator.AdapterAddresses {
	t.Helper()
	token, err := tokenIn(in.settings.Core.TokenFile)
	require.NoError(t, err)
	return simulator.AdapterAddresses{EMTA: "http://" + in.settings.Listen.XRoad + emtaPath, Core: "http://" + in.settings.Listen.Core, Token: token}
}

// freeAddresses are loopback addresses that nobody listens on, below the ports that systems give to outgoing connections:
// one of those could take the port while the adapter is down.
func freeAddresses(t testing.TB, n int) []string {
	t.Helper()
	const lowest, highest = 20000, 32000
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		require.Less(t, tries, 1000, "no port is free")
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(highest-lowest))))
		if err != nil {
			continue
		}
		defer l.Close() // only at the end, so that all differ
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// process is one `adapter serve`.
type process struct {
	cmd   *exec.Cmd
	in    installation
	ended chan struct{}
}

// serve starts a process, which ends with the test at the latest. It is not ready yet.
func (in installation) serve(t testing.TB) *process {
	t.Helper()
	output, err := os.OpenFile(in.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer output.Close()
	p := &process{cmd: exec.Command(in.binary, "serve", "--config", in.config), in: in, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.Env = []string{} // none of the settings comes from where the test runs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has mostly ended before
		<-p.ended
	})
	return p
}

// ready waits until the process answers.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.in.settings.Listen.Ops+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the adapter ended by itself: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("the adapter does not become ready: %w", errors.Join(err, ctx.Err()))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// kill ends the process as kill -9 does. It is an error if it had ended before.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("the adapter ended by itself: %w", err)
	}
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("the adapter ended by itself: %s", p.cmd.ProcessState)
	}
	return nil
}

// stop asks the process to end and returns its exit status.
func (p *process) stop(t testing.TB) int {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	return p.exit(t)
}

// exit waits until the process has ended and returns its exit status.
func (p *process) exit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(stopTimeout + 10*time.Second):
		require.FailNow(t, "the adapter does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}
