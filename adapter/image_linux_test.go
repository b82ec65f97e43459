package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// finalStage is what of the Dockerfile stands in the image.
func finalStage(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../deploy/Dockerfile")
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "FROM ") {
			lines = nil
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestImageHoldsTheProgramAlone(t *testing.T) {
	lines := finalStage(t)
	require.Equal(t, "FROM scratch", lines[0])
	var copied, user []string
	for _, line := range lines {
		require.NotRegexp(t, `^(RUN|ADD) `, line, "nothing may run in an image without a shell")
		switch {
		case strings.HasPrefix(line, "COPY "):
			copied = append(copied, line)
		case strings.HasPrefix(line, "USER "):
			user = append(user, line)
		case strings.HasPrefix(line, "ENTRYPOINT "), strings.HasPrefix(line, "CMD "):
			require.Contains(t, line, `["`, "the shell form needs a shell")
		}
	}
	require.Len(t, copied, 3, "the program, the authorities' certificates and an empty folder")
	require.Len(t, user, 1)
	require.Regexp(t, regexp.MustCompile(`^USER [1-9]\d*:[1-9]\d*$`), user[0], "a number, so that Kubernetes can tell that it is not root")
}

// The settings of the Compose file are settings of this version.
func TestComposeSettings(t *testing.T) {
	s, err := loadSettings("../deploy/compose/adapter.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"tables"}, s.Log.Systems[systemEMTA].Sinks)
}

// TestImageReadOnly runs the program as the image does: alone in a root folder that cannot be written, as nobody in particular,
// with /tmp as its only place to write.
func TestImageReadOnly(t *testing.T) {
	const need = "the test of a read-only root needs root and the right to mount"
	if os.Getuid() != 0 {
		if os.Getenv("ADAPTER_TEST_TOOLS") == "required" {
			t.Fatal(need)
		}
		t.Skip("SKIPPED: " + need)
	}
	folder := t.TempDir()
	require.NoError(t, os.Chmod(folder, 0o755))
	binary := filepath.Join(folder, "adapter")
	compile := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := compile.CombinedOutput()
	require.NoError(t, err, "%s", out)
	tmp := filepath.Join(folder, "tmp")
	require.NoError(t, os.Mkdir(tmp, 0o777))
	mount(t, "tmpfs", tmp, "tmpfs", 0)
	mount(t, folder, folder, "", syscall.MS_BIND|syscall.MS_REC)
	require.NoError(t, syscall.Mount("", folder, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	require.Error(t, os.WriteFile(filepath.Join(folder, "x"), nil, 0o600), "the root must be read-only for this test to mean anything")

	addresses := freeAddresses(t, 3)
	command := exec.CommandContext(t.Context(), "/adapter", "serve")
	command.Path, command.Err = "/adapter", nil
	command.Dir = "/"
	command.Env = []string{"ADAPTER_STORE=sqlite:/tmp/adapter.db", "ADAPTER_LOG_DIR=/tmp/logs", "ADAPTER_CORE_TOKENFILE=/tmp/adapter.token",
		"ADAPTER_LISTEN_XROAD=" + addresses[0], "ADAPTER_LISTEN_CORE=" + addresses[1], "ADAPTER_LISTEN_OPS=" + addresses[2]}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: folder, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}, Pdeathsig: syscall.SIGKILL}
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	require.NoError(t, command.Start())
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	ready := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addresses[2]+"/readyz", nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body) // only the status counts
		return answer.StatusCode == http.StatusOK
	}
	require.Eventually(t, ready, 30*time.Second, 50*time.Millisecond, "it did not become ready")
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-exited, "%s", &output)
}

// mount mounts, and unmounts when the test is over.
func mount(t *testing.T, source, target, kind string, flags uintptr) {
	t.Helper()
	require.NoError(t, syscall.Mount(source, target, kind, flags, ""))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(target, syscall.MNT_DETACH)) })
}
