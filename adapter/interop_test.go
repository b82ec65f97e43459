package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// interop holds clients and servers of other toolkits; its README says what they do.
const interop = "../soap/interop"

// foreign returns the command, which runs within the test's time and ends with it. What it writes to standard error is shown
// when the test fails.
func foreign(t testing.TB, folder, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	command.Stderr = t.Output()
	return command
}

// needs skips the test where a tool is missing, and fails it where tools are required. The check is a command that succeeds
// where all is there.
func needs(t testing.TB, packages, name string, args ...string) {
	t.Helper()
	err := exec.Command(name, args...).Run()
	if err == nil {
		return
	}
	if os.Getenv("ADAPTER_TEST_TOOLS") == "required" {
		require.NoError(t, err, "ADAPTER_TEST_TOOLS=required; needed: %s", packages)
	}
	t.Skipf("SKIPPED, not tried with this toolkit: it needs %s", packages)
}

func needsPHP(t testing.TB) {
	t.Helper()
	needs(t, "php-cli and php-soap", "php", "-r", "exit((int) !extension_loaded('soap'));")
}

// debianPython is the interpreter that Debian's packages of Python are for; another may be first in the path.
const debianPython = "/usr/bin/python3"

// What SOAP toolkits make of the WSDL and the schemas as they are served, and of our answers. Each client notifies of an order that is
// not known, whose fault must reach the caller as text, and of one that is.
func TestForeignClients(t *testing.T) {
	program, world := running(t, simulator.Options{}, nil)
	address := "http://" + program.Address("xroad") + emtaPath + "?wsdl"
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	const issue = "ATPUB õ"

	for _, test := range []struct {
		name   string
		issue  string // that the client can send; a client made of the WSDL alone cannot
		client func(t *testing.T) (folder string, command []string)
	}{
		{"PHP SoapClient", issue, func(t *testing.T) (string, []string) {
			needsPHP(t)
			return interop, []string{"php", "notify.php"}
		}},
		{"zeep", issue, func(t *testing.T) (string, []string) {
			needs(t, "python3-zeep", debianPython, "-c", "import zeep")
			return interop, []string{debianPython, "notify.py"}
		}},
		{"npm soap", issue, func(t *testing.T) (string, []string) {
			folder := filepath.Join(interop, "npm")
			needs(t, "Node.js, and npm ci in "+folder, "node", "-e", "require.resolve('soap', {paths: ['"+filepath.ToSlash(folder)+"']})")
			return folder, []string{"node", "notify.js"}
		}},
		{"gSOAP", "", func(t *testing.T) (string, []string) { return ".", []string{builtByGSOAP(t, address)} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder, command := test.client(t)
			o, err := d.started(t.Context())
			require.NoError(t, err)
			client := foreign(t, folder, command[0], append(command[1:], address, o.EMTAOrderID)...)
			out, err := client.Output()
			require.NoError(t, err, "%s", out)

			var told notified
			require.NoError(t, json.Unmarshal(out, &told), "%s", out)
			require.Equal(t, notified{
				FaultCode: "Server", Fault: "Order not found with id: " + o.EMTAOrderID + " <õ&>", Empty: true, SameID: true, Issue: test.issue,
			}, told)
		})
	}
}

// notified is what a foreign client saw.
type notified struct {
	FaultCode string `json:"faultCode"` // of the order that is not known, without prefix
	Fault     string `json:"fault"`
	Empty     bool   `json:"empty"`  // the answer for the one that is known
	SameID    bool   `json:"sameId"` // both answers had their request's id
	Issue     string `json:"issue"`  // the answer's
}

// builtByGSOAP makes the gSOAP client of the WSDL as it is served now.
func builtByGSOAP(t testing.TB, address string) string {
	t.Helper()
	needs(t, "gsoap, libgsoap-dev and gcc", "sh", "-c",
		"command -v wsdl2h && command -v soapcpp2 && echo '#include <stdsoap2.h>' | gcc -E -")
	folder := t.TempDir()
	source, err := filepath.Abs(filepath.Join(interop, "notify.c"))
	require.NoError(t, err)
	for _, step := range [][]string{
		{"wsdl2h", "-c", "-o", "notify.h", address},
		{"soapcpp2", "-c", "-C", "-L", "-x", "notify.h"},
		{"gcc", "-I.", "-o", "notify", source, "soapC.c", "soapClient.c", "-lgsoap"},
	} {
		command := foreign(t, folder, step[0], step[1:]...)
		command.Stderr = nil
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", step, out)
	}
	return filepath.Join(folder, "notify")
}

// foreignEMTA is the payment module as PHP's SoapServer makes it from EMTA's WSDL.
type foreignEMTA struct{ url, folder string }

func startForeignEMTA(t testing.TB) foreignEMTA {
	t.Helper()
	needsPHP(t)
	e := foreignEMTA{folder: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, "php", "-S", "127.0.0.1:0", "emta.php")
	server.Dir, server.Env = interop, append(os.Environ(), "ORDERS="+e.folder)
	errors, err := server.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	read := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-read
		_ = server.Wait() // it was killed
	})

	address := make(chan string, 1)
	go func() {
		defer close(read)
		started := regexp.MustCompile(`Development Server \((http://[^)]+)\) started`)
		for lines := bufio.NewScanner(errors); lines.Scan(); {
			if found := started.FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	select {
	case e.url = <-address:
	case <-read:
		require.Fail(t, "php's server did not start")
	}
	return e
}

// post uses the addresses that are not services.
func (e foreignEMTA) post(t testing.TB, path string) {
	t.Helper()
	response, err := http.Post(e.url+path, "", nil)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
}

// states are those of all orders, by id.
func (e foreignEMTA) states(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(e.folder, "*.json"))
	require.NoError(t, err)
	states := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var o struct{ State string }
		require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&o))
		states[strings.TrimSuffix(filepath.Base(file), ".json")] = o.State
	}
	return states
}

// The internal API is driven with a payment module that is not ours behind it. There is no security server in between, so
// answers have no requestHash.
func TestForeignServer(t *testing.T) {
	emta := startForeignEMTA(t)
	_, world := running(t, simulator.Options{}, func(s *Settings) { s.XRoad.SecurityServer = emta.url })
	ctx := t.Context()
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}

	paid, err := d.started(ctx)
	require.NoError(t, err)
	require.Equal(t, string(order.Created), paid.State)
	require.Equal(t, "30.00", paid.Amount)
	require.Equal(t, map[string]string{paid.EMTAOrderID: "created"}, emta.states(t))
	require.Equal(t, "https://maksed.example.ee/order/"+paid.EMTAOrderID, paid.PaymentURL)

	// The payer is at the card already: EMTA refuses, with a fault that has no header.
	emta.post(t, "/orders/"+paid.EMTAOrderID+"?state=pending")
	_, err = world.Core.Cancel(ctx, paid.ID)
	var refused *simulator.Problem
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "not-cancellable", refused.Code)
	pending, err := world.Core.Refresh(ctx, paid.ID)
	require.NoError(t, err)
	require.Equal(t, string(order.Pending), pending.State)

	emta.post(t, "/orders/"+paid.EMTAOrderID+"?state=completed")
	completed, err := world.Core.Refresh(ctx, paid.ID)
	require.NoError(t, err)
	require.Equal(t, string(order.Completed), completed.State)
	require.False(t, completed.Finished.IsZero())
	require.False(t, completed.AmountMismatch)

	// EMTA makes the order and does not answer in time; its list tells.
	emta.post(t, "/silence?seconds=3")
	_, err = d.started(ctx)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, string(order.OutcomeUnknown), refused.Code)
	require.NotNil(t, refused.Order)
	found, err := d.heard(ctx, order.EventCreated, refused.Order.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{paid.EMTAOrderID: "completed", found.Order.EMTAOrderID: "created"}, emta.states(t))
	require.Equal(t, "https://maksed.example.ee/order/"+found.Order.EMTAOrderID, found.Order.PaymentURL)

	cancelled, err := world.Core.Cancel(ctx, found.Order.ID)
	require.NoError(t, err)
	require.Equal(t, string(order.Cancelled), cancelled.State)
	require.Equal(t, map[string]string{paid.EMTAOrderID: "completed", found.Order.EMTAOrderID: "cancelled"}, emta.states(t))
}
