//go:build unix

package workerapp

import (
	"bufio"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func makeDir(t *testing.T, parent string) *tempDir {
	t.Helper()
	dir, err := openTempDir(parent, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func there(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	return err == nil
}

// TestKilledWorkersLeaveNothing has another process, which is this test again,
// hold a directory with a file in it, and kills it.
func TestKilledWorkersLeaveNothing(t *testing.T) {
	if parent := os.Getenv("TEST_TEMP_PARENT"); parent != "" {
		dir := makeDir(t, parent)
		if err := os.WriteFile(filepath.Join(dir.path, "excelize-1"), []byte("rows"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString(dir.path + "\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	parent := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWorkersLeaveNothing$")
	cmd.Env = append(os.Environ(), "TEST_TEMP_PARENT="+parent)
	stdin, err := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err != nil || outErr != nil {
		t.Fatal(err, outErr)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	theirs := line[:len(line)-1]

	first := makeDir(t, parent)
	if !there(t, theirs) {
		t.Error("the directory of a worker that lives was removed")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	second := makeDir(t, parent)
	if there(t, theirs) || !there(t, first.path) {
		t.Errorf("the dead one's is there: %t, the living one's: %t", there(t, theirs), there(t, first.path))
	}
	for _, dir := range []*tempDir{first, second} {
		if err := dir.close(); err != nil || there(t, dir.path) {
			t.Errorf("closed, %s is there: %t, %v", dir.path, there(t, dir.path), err)
		}
	}
}

func TestWorkersThatStartTogetherKeepTheirDirectories(t *testing.T) {
	parent := t.TempDir()
	var group sync.WaitGroup
	dirs := make([]*tempDir, 32)
	for i := range dirs {
		group.Go(func() {
			dir, err := openTempDir(parent, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			dirs[i] = dir
		})
	}
	group.Wait()
	for _, dir := range dirs {
		if dir != nil && (!dir.isThere() || dir.close() != nil) {
			t.Errorf("%s is gone", dir.path)
		}
	}
}

func TestWhatIsNotAWorkersIsLeftAlone(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	kept := filepath.Join(elsewhere, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(parent, "tandem-worker-link")); err != nil {
		t.Fatal(err)
	}
	dir := makeDir(t, parent)
	if !there(t, kept) {
		t.Error("a link led out of the temporary directory")
	}
	if err := dir.close(); err != nil {
		t.Error(err)
	}
}
