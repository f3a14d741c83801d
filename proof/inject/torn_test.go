package inject_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
)

// A script stands in the append-only file as MULTI, its writes, and EXEC. When the
// disk keeps the first part of that, a server that starts on it cuts the file back
// to the last whole command and leaves the MULTI open: nobody sees the half, until
// the next script's EXEC closes it, and a later start applies both.
//
// Nobody was told that the torn script had happened, and what was acknowledged
// since is whole. docs/reliability.md has the two ways out of it that follow here.
func TestHalfOfATornScriptComesBackUnlessTheFileIsMended(t *testing.T) {
	t.Parallel()
	nothing := func(*testing.T, *redistest.Instance) {}
	for name, test := range map[string]struct {
		before, after func(*testing.T, *redistest.Instance) // the first start
		half          int64                                 // of the script's two keys
	}{
		"left as it is":                  {before: nothing, after: nothing, half: 1},
		"repaired before the start":      {before: repair, after: nothing},
		"rewritten soon after the start": {before: nothing, after: rewriteFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{Config: always()})
			setBoth(t, server.Client(t), "torn-1", "torn-2")
			server.Kill()
			tear(t, server.Dir(), "torn-2")
			test.before(t, server)
			server.Restart()
			there(t, server, 0, "torn-1", "torn-2")
			test.after(t, server)
			setBoth(t, server.Client(t), "whole-1", "whole-2")
			server.Kill()
			server.Restart()
			there(t, server, test.half, "torn-1", "torn-2")
			there(t, server, 2, "whole-1", "whole-2")
		})
	}
}

// setBoth sets two keys by a script.
func setBoth(t *testing.T, client *redis.Client, keys ...string) {
	t.Helper()
	must(t, client.Eval(t.Context(), "redis.call('SET', KEYS[1], 1) return redis.call('SET', KEYS[2], 1)", keys).Err())
}

// there fails the test unless so many of the keys are there.
func there(t *testing.T, server *redistest.Instance, want int64, keys ...string) {
	t.Helper()
	got, err := server.Client(t).Exists(t.Context(), keys...).Result()
	must(t, err)
	if got != want {
		t.Errorf("%d of %v are there, want %d", got, keys, want)
	}
}

// tear ends the file in the middle of a word, as a disk does that had written a
// part of what was to come.
func tear(t *testing.T, dir, word string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("the append-only files are %v, want one", files)
	}
	text, err := os.ReadFile(files[0])
	must(t, err)
	at := bytes.LastIndex(text, []byte(word))
	if at < 0 {
		t.Fatalf("%s is not in the append-only file", word)
	}
	must(t, os.Truncate(files[0], int64(at)+2))
}

// repair is what an operator does when the server does not start by itself.
func repair(t *testing.T, server *redistest.Instance) {
	t.Helper()
	const tool = "redis-check-aof"
	if _, err := exec.LookPath(tool); err != nil {
		missing(t, tool)
	}
	cmd := exec.Command(tool, "--fix", filepath.Join(server.Dir(), "appendonlydir", "appendonly.aof.manifest"))
	cmd.Stdin = strings.NewReader("y\n")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, said)
	}
}

func missing(t *testing.T, tool string) {
	t.Helper()
	if os.Getenv("REDISTEST_STRICT") == "1" {
		t.Fatalf("%s is not installed, and REDISTEST_STRICT=1 forbids skipping", tool)
	}
	t.Skipf("skipped, %s is not installed", tool)
}

// rewriteFile lets the server write what it knows into a new file.
func rewriteFile(t *testing.T, server *redistest.Instance) {
	t.Helper()
	client := server.Client(t)
	must(t, client.BgRewriteAOF(t.Context()).Err())
	eventually(t, "a new append-only file", func() bool {
		info, err := client.Info(t.Context(), "persistence").Result()
		must(t, err)
		return strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
	})
}
