package postgrestest

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server on a socket in a folder of its own.
type Server struct {
	address  *url.URL
	folder   string
	binary   string // postgres
	settings []string

	mu      sync.Mutex
	process *exec.Cmd      // the guard's, nil while the server is stopped
	leash   io.WriteCloser // its end ends the server
}

// guard starts PostgreSQL and reads a signal's name. Without one its input has ended, because our process
// has, in whatever way, or needs the server no more: then nothing is left of it.
const guard = `"$@" & pid=$!
if read -r signal
then kill -"$signal" $pid; wait $pid
else kill -INT $pid; wait $pid; cd /; rm -rf "$FOLDER"
fi
`

// start makes a cluster and starts its server.
func start(settings []string) (*Server, error) {
	return startFrom(settings, "initdb", "--auth=trust", "--username="+superuser, "--encoding=UTF8", "--no-locale", "--no-sync")
}

// superuser owns the cluster.
const superuser = "adapter_test"

// startFrom starts the server of a cluster that a program of PostgreSQL makes, in the folder that its -D names.
func startFrom(settings []string, program string, args ...string) (*Server, error) {
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	beside := func(name string) string { return filepath.Join(filepath.Dir(initdb), name) }
	folder, err := os.MkdirTemp("", "adapter-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, binary: beside("postgres"), settings: settings, address: &url.URL{Scheme: "postgres", Host: "", Path: "/postgres",
		RawQuery: url.Values{"host": {folder}, "user": {superuser}}.Encode()}}
	identity, err := serverUser(folder)
	if err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	make := exec.Command(beside(program), append(args, "-D", s.data())...)
	make.SysProcAttr, make.Dir = identity, folder
	if out, err := make.CombinedOutput(); err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("%s: %w: %s", program, err, out)
	}
	if err := s.run(); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// find looks for a program of PostgreSQL in PATH and, the newest first, where Debian puts it. It follows links, since
// the other programs stand beside what they lead to.
func find(name string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return filepath.EvalSymlinks(found)
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is neither in PATH nor in /usr/lib/postgresql/*/bin", name)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 for what is no number
		return n
	}
	return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), nil
}

// serverUser gives the folder to the user who runs the server: PostgreSQL refuses to be run by root, for
// whom it is user postgres.
func serverUser(folder string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is not for the guard
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(folder, int(uid), int(gid))
}

// run starts the server and waits until it answers.
func (s *Server) run() error {
	identity, err := serverUser(s.folder)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-c", guard, "guard", s.binary, "-D", s.data(), "-k", s.folder, "-c", "listen_addresses=", "-c", "max_connections=200"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	process := exec.Command("/bin/sh", args...)
	process.SysProcAttr, process.Dir = identity, s.folder
	process.Env = append(os.Environ(), "FOLDER="+s.folder)
	process.Stdout, process.Stderr = log, log
	leash, err := process.StdinPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	s.process, s.leash = process, leash
	return s.await()
}

// await asks until the server answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.address.String())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w\n%s", err, s.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Log is what the server has written to its log.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the server's connections and then the server, which can be started again.
func (s *Server) Stop(tb testing.TB) { s.signal(tb, "INT") }

// Crash ends the server as a power cut would end its processes, at once and without tidying up.
func (s *Server) Crash(tb testing.TB) { s.signal(tb, "QUIT") }

func (s *Server) signal(tb testing.TB, name string) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		tb.Fatal("the server is not running, or is not ours")
	}
	if _, err := io.WriteString(s.leash, name+"\n"); err != nil {
		tb.Fatal(err)
	}
	s.process.Wait() // its status is that of a process that was told to go
	s.process = nil
}

// Restart starts a stopped server again and waits until it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil || s.folder == "" {
		tb.Fatal("the server is running, or is not ours")
	}
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// Standby starts a stopped server again as a standby of nobody: it answers, and can only be read.
func (s *Server) Standby(tb testing.TB) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644); err != nil {
		tb.Fatal(err)
	}
	s.Restart(tb)
}

// Replica starts a standby that follows the server. It ends with the test.
func (s *Server) Replica(tb testing.TB) *Server {
	tb.Helper()
	replica, err := startFrom(s.settings, "pg_basebackup", "--host="+s.folder, "--username="+superuser, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	check(tb, err)
	tb.Cleanup(replica.end)
	return replica
}

// Promote makes a standby the server that can be written.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	if err := s.exec(`SELECT pg_promote()`); err != nil {
		tb.Fatalf("promote: %v", err)
	}
}

// Of is the address of another server's database on this one, Beside has both hosts.
func (s *Server) Of(tb testing.TB, address string) string {
	tb.Helper()
	return s.hosts(tb, address, func(string) string { return s.folder })
}

// Beside is the address of a database with this server as a second host, which has the database too.
func (s *Server) Beside(tb testing.TB, address string) string {
	tb.Helper()
	return s.hosts(tb, address, func(first string) string { return first + "," + s.folder })
}

func (s *Server) hosts(tb testing.TB, address string, hosts func(string) string) string {
	tb.Helper()
	u, err := url.Parse(address)
	check(tb, err)
	q := u.Query()
	q.Set("host", hosts(q.Get("host")))
	u.RawQuery = q.Encode()
	return u.String()
}

// end ends the server and removes its folder.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		os.RemoveAll(s.folder)
		return
	}
	s.leash.Close()
	s.process.Wait()
	s.process = nil
}
