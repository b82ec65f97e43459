package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/mask"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The external systems that are logged, as settings and records name them.
const (
	systemEMTA    = "emta"
	systemPaasuke = "paasuke"
	systemCore    = "core"
)

// defaultLogSystems are how the systems are logged where the settings say nothing (NA-95): what is money or somebody's rights must be logged, the
// core's own requests are not.
func defaultLogSystems() map[string]exchangelog.Settings {
	files := []string{"files"}
	return map[string]exchangelog.Settings{
		systemEMTA:    {Sinks: files, Body: exchangelog.Full, Mode: exchangelog.Required},
		systemPaasuke: {Sinks: files, Body: exchangelog.Full, Mode: exchangelog.Required},
		systemCore:    {Body: exchangelog.Full, Mode: exchangelog.BestEffort},
	}
}

// logSinks are the names of the sinks that settings may use.
var logSinks = map[string]bool{"files": true, "tables": true, "stdout": true}

// logSystems are the defaults with the settings over them.
func (s Settings) logSystems() (map[string]exchangelog.Settings, error) {
	systems := defaultLogSystems()
	for name, set := range s.Log.Systems {
		system, known := systems[name]
		if !known {
			return nil, &settingError{"log.systems." + name, "names no system: there are emta, paasuke and core"}
		}
		if set.Sinks != nil {
			system.Sinks = set.Sinks
		}
		for _, sink := range system.Sinks {
			if !logSinks[sink] {
				return nil, &settingError{"log.systems." + name + ".sinks", "must be of files, tables and stdout"}
			}
		}
		if set.Body != "" {
			system.Body = exchangelog.BodyMode(set.Body)
		}
		if set.Mode != "" {
			system.Mode = exchangelog.Mode(set.Mode)
		}
		if system.Body != exchangelog.Full && system.Body != exchangelog.Masked && system.Body != exchangelog.Digest {
			return nil, &settingError{"log.systems." + name + ".body", "must be full, masked or digest"}
		}
		if system.Mode != exchangelog.Required && system.Mode != exchangelog.BestEffort {
			return nil, &settingError{"log.systems." + name + ".mode", "must be required or best-effort"}
		}
		systems[name] = system
	}
	return systems, nil
}

// exchangeLog is the exchange log as the program wires it.
type exchangeLog struct {
	*exchangelog.Log
	replica io.Closer // holds the replica's name
}

// openExchangeLog opens the log as the settings file has it, but for what goes to tables: it is switched on once the database is there.
func openExchangeLog(s Log, tables exchangelog.Sink, now func() time.Time, log *slog.Logger, registry prometheus.Registerer) (*exchangeLog, error) {
	systems, err := Settings{Log: s}.logSystems()
	if err != nil {
		return nil, err
	}
	for name, system := range systems {
		if slices.Contains(system.Sinks, "tables") {
			delete(systems, name)
		}
	}
	options := exchangelog.Options{Systems: systems, Now: now, NewID: uuid.NewString, Logger: log,
		Masker: mask.New(mask.Rules{Elements: s.Mask.Elements, Members: s.Mask.Members}),
		Sinks:  map[string]exchangelog.Sink{"files": exchangelog.NewFiles(s.Dir, log), "tables": tables, "stdout": exchangelog.NewStdout(os.Stdout)}}
	if s.SealKey != "" {
		if options.SealKey, err = exchangelog.ReadSealKey(s.SealKey); err != nil {
			return nil, fmt.Errorf("setting log.sealKey: %w", err)
		}
	} else {
		log.Warn("segments of the exchange log are not signed: set log.sealKey")
	}
	if s.MasterKey != "" {
		if options.Keys, err = openLogKeys(s, log); err != nil {
			return nil, fmt.Errorf("setting log.masterKey: %w", err)
		}
	}
	x := &exchangeLog{}
	if options.Replica, x.replica, err = replicaOf(s); err != nil {
		return nil, err
	}
	if x.Log, err = exchangelog.Open(options); err != nil {
		return nil, fmt.Errorf("settings log.dir, log.systems: %w", errors.Join(err, x.replica.Close()))
	}
	registry.MustRegister(newExchangeGauges(x.Log))
	return x, nil
}

// openLogKeys reads the master keys and wraps by the newest what an older one wraps.
func openLogKeys(s Log, log *slog.Logger) (*exchangelog.Keys, error) {
	keys, err := exchangelog.OpenKeys(s.Dir, s.MasterKey)
	if err != nil {
		return nil, err
	}
	n, err := keys.Rewrap()
	if err != nil { // those that can be read still can
		log.Error("keys of the exchange log cannot be wrapped by the newest master key", "error", err)
	}
	if n > 0 {
		log.Info("keys of the exchange log are wrapped by the newest master key", "keys", n)
	}
	return keys, nil
}

// replicaOf takes the replica's name for this process.
func replicaOf(s Log) (string, io.Closer, error) {
	if s.Replica != "" {
		name, held, err := exchangelog.TakeReplica(s.Dir, s.Replica, false)
		if err != nil {
			return "", nil, fmt.Errorf("setting log.replica: %w", err)
		}
		return name, held, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", nil, fmt.Errorf("setting log.replica is needed: %w", err)
	}
	name, held, err := exchangelog.TakeReplica(s.Dir, exchangelog.ReplicaName(host), true)
	if err != nil {
		return "", nil, fmt.Errorf("setting log.dir: %w", err)
	}
	return name, held, nil
}

// stop writes what waits, seals, and gives the replica's name free.
func (x *exchangeLog) stop(ctx context.Context) error {
	return errors.Join(x.Close(ctx), x.replica.Close())
}

// emta logs what reaches the xroad listener.
func (x *exchangeLog) emta(next http.Handler) http.Handler {
	return x.Handler(systemEMTA, exchangelog.SOAP, refuseSOAP, next)
}

// core logs what the core asks of the internal API.
func (x *exchangeLog) core(next http.Handler) http.Handler {
	return x.Handler(systemCore, exchangelog.REST, refuseREST, next)
}

// toEMTA wraps the transport to EMTA; wrap, which may be nil, comes around it.
func (x *exchangeLog) toEMTA(wrap func(http.RoundTripper) http.RoundTripper) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		next = x.Transport(systemEMTA, exchangelog.SOAP, next)
		if wrap != nil {
			next = wrap(next)
		}
		return next
	}
}

// toCore wraps the webhook's transport, a new one where next is nil.
func (x *exchangeLog) toCore(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = rest.NewTransport()
	}
	return x.Transport(systemCore, exchangelog.REST, next)
}

// refuseSOAP answers a request that could not be logged. EMTA takes it for a reason to repeat.
func refuseSOAP(w http.ResponseWriter, r *http.Request) {
	f := soap.ServerFault("the exchange could not be logged: repeat it later", nil)
	f.Reason, f.RequestID = exchangelog.Refused, xroadhdr.ExchangeFrom(r.Context()).RequestID
	raw, err := soap.ReplyFault(nil, f)
	if err != nil {
		panic(err) // our own fault can be written
	}
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	w.Header().Set("Connection", "close") // the request may not have been read
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(raw) // the caller went away
}

// refuseREST answers a request that could not be logged.
func refuseREST(w http.ResponseWriter, r *http.Request) {
	problem := comeAgain("The exchange could not be logged.", nil)
	problem.Title, problem.RequestID = http.StatusText(problem.Status), xroadhdr.ExchangeFrom(r.Context()).RequestID
	body, err := json.Marshal(problem)
	if err != nil {
		panic(err) // it holds nothing that cannot be written
	}
	maps.Copy(w.Header(), problem.Header)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Connection", "close")
	w.WriteHeader(problem.Status)
	_, _ = w.Write(body) // the caller went away
}

// exchangeGauges tell of the exchange log whenever metrics are asked for.
type exchangeGauges struct {
	log                                         *exchangelog.Log
	written, bytes, failures, lost, failing, on *prometheus.Desc
	seq, head                                   *prometheus.Desc
}

var _ prometheus.Collector = (*exchangeGauges)(nil)

func newExchangeGauges(log *exchangelog.Log) *exchangeGauges {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("adapter_exchange_log_"+name, help, []string{"system", "part", "replica", "sink"}, nil)
	}
	return &exchangeGauges{log: log,
		written:  desc("records_total", "Records written."),
		bytes:    desc("bytes_total", "Bytes of records written."),
		failures: desc("failures_total", "Attempts to write that failed."),
		lost:     desc("lost_total", "Records that were not kept."),
		failing:  desc("failing", "1 while records cannot be written."),
		seq:      desc("head_seq", "Number of the last record of the chain."),
		head:     desc("head_hash", "First 13 hexadecimal digits of the last record's hash, as a number."),
		on:       prometheus.NewDesc("adapter_exchange_log_on", "1 while the system is logged.", []string{"system"}, nil),
	}
}

// Describe is for prometheus.Collector.
func (g *exchangeGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.written, g.bytes, g.failures, g.lost, g.failing, g.seq, g.head, g.on} {
		ch <- d
	}
}

// Collect is for prometheus.Collector.
func (g *exchangeGauges) Collect(ch chan<- prometheus.Metric) {
	for _, f := range g.log.Figures() {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
			ch <- prometheus.MustNewConstMetric(d, kind, value, f.Stream.System, string(f.Stream.Part), f.Stream.Replica, f.Sink)
		}
		send(g.written, prometheus.CounterValue, float64(f.Written))
		send(g.bytes, prometheus.CounterValue, float64(f.Bytes))
		send(g.failures, prometheus.CounterValue, float64(f.Failures))
		send(g.lost, prometheus.CounterValue, float64(f.Lost))
		send(g.failing, prometheus.GaugeValue, one(f.Failing))
		send(g.seq, prometheus.GaugeValue, float64(f.Head.Seq))
		send(g.head, prometheus.GaugeValue, float64(f.Head.Prefix()))
	}
	for name, s := range g.log.Settings() {
		ch <- prometheus.MustNewConstMetric(g.on, prometheus.GaugeValue, one(!s.Off()), name)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// exchangeLogStatus is whether each system's exchanges are kept.
func (p *Program) exchangeLogStatus(_ context.Context, r *statusReport) {
	for name, s := range p.exchanges.Settings() {
		state := "on"
		if s.Off() {
			state = "off"
		}
		r.add("exchange log:"+name, check{Status: statusPass, Observed: state})
	}
	for _, f := range p.exchanges.Figures() {
		if f.Failing {
			r.add("exchange log:"+f.Stream.System, check{Status: statusFail, Observed: string(f.Stream.Part),
				Output: "cannot be written to " + f.Sink + ": disk, folder, or table; the log line of component exchangelog says what is wrong"})
		}
	}
}
