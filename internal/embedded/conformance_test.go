package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
)

func TestAnswersAsRedis(t *testing.T) {
	t.Parallel()
	real := redistest.Own(t, redistest.Options{}).Client(t)
	ours := start(t).client(t)
	for _, line := range commands(t, "testdata/same.txt") {
		want, got := answer(t, real, line), answer(t, ours, line)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-redis +embedded):\n%s", line, diff)
		}
	}
}

func TestDiffersFromRedis(t *testing.T) {
	t.Parallel()
	real := redistest.Own(t, redistest.Options{}).Client(t)
	ours := start(t).client(t)
	for _, setup := range []string{"HSET hbad a x", "SADD st a", "RPUSH l2 b a", "ZADD z 1 a", "ZADD r 2 b", "XADD s 1-1 f v"} {
		answer(t, real, setup)
		answer(t, ours, setup)
	}
	for _, line := range commands(t, "testdata/different.txt") {
		if got := answer(t, ours, line); got == answer(t, real, line) {
			t.Errorf("%s: both answer %s; move it to same.txt", line, got)
		}
	}
}

// commands are the lines of a file but for comments.
func commands(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// answer runs one line, "LUA script" or a command whose words have no spaces,
// and returns the reply as text.
func answer(t *testing.T, client *redis.Client, line string) string {
	t.Helper()
	var args []any
	if script, ok := strings.CutPrefix(line, "LUA "); ok {
		args = []any{"EVAL", script, 0}
	} else {
		for _, word := range strings.Fields(line) {
			args = append(args, word)
		}
	}
	reply, err := client.Do(t.Context(), args...).Result()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s: %v", line, err)
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%#v", reply)
}
