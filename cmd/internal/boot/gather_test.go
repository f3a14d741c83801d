package boot

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/config"
)

// calls keeps what each call wrote.
type calls struct {
	mu  sync.Mutex
	all []string
}

func (c *calls) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, string(p))
	return len(p), nil
}

// texts are what was written so far, call by call.
func (c *calls) texts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

func TestALineThatComesAloneIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out calls
		g := &gatherer{to: &out}
		for i := range 3 {
			write(t, g, "line\n")
			if got := out.texts(); len(got) != i+1 {
				t.Errorf("after line %d: %q", i+1, got)
			}
			time.Sleep(gatherFor + time.Millisecond) // virtual time
		}
	})
}

func TestLinesThatComeTogetherAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out calls
		g := &gatherer{to: &out}
		for _, line := range []string{"1\n", "2\n", "3\n"} {
			write(t, g, line)
		}
		if diff := cmp.Diff([]string{"1\n"}, out.texts()); diff != "" {
			t.Errorf("at once (-want +got):\n%s", diff)
		}
		time.Sleep(gatherFor)
		synctest.Wait()
		write(t, g, "4\n") // still within reach of the last
		time.Sleep(2 * gatherFor)
		synctest.Wait()
		if diff := cmp.Diff([]string{"1\n", "2\n3\n", "4\n"}, out.texts()); diff != "" {
			t.Errorf("in the end (-want +got):\n%s", diff)
		}
	})
}

func TestMuchIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out calls
		g := &gatherer{to: &out}
		line := strings.Repeat("x", gatherMost/4)
		for range 5 {
			write(t, g, line)
		}
		if got := out.texts(); len(got) != 2 || len(got[1]) != gatherMost {
			t.Errorf("%d calls", len(got))
		}
		time.Sleep(2 * gatherFor) // no timer is left behind
	})
}

func write(t *testing.T, w io.Writer, line string) {
	t.Helper()
	if n, err := io.WriteString(w, line); n != len(line) || err != nil {
		t.Fatal(n, err)
	}
}

func TestAWarningIsOutWithAllThatCameBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out calls
		logger := NewLogger(&gatherer{to: &out}, config.Process{}).With("queue", "email").WithGroup("g")
		logger.Info("one")
		logger.Info("two")
		logger.Warn("three")
		text := strings.Join(out.texts(), "")
		for _, want := range []string{`"one"`, `"two"`, `"three"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not out: %s", want, text)
			}
		}
		if strings.Index(text, "two") > strings.Index(text, "three") {
			t.Errorf("out of order: %s", text)
		}
		time.Sleep(2 * gatherFor)
	})
}

func TestNothingOfTheLogIsLostAtTheEnd(t *testing.T) {
	say := func(env Env, n int) *slog.Logger {
		logger := NewLogger(env.Stderr, config.Process{})
		for i := range n {
			logger.Info("line", "n", i)
		}
		return logger
	}
	tests := map[string]struct {
		run  func(ctx context.Context, env Env) error
		last string
	}{
		"a clean end": {func(_ context.Context, env Env) error { say(env, 3); return nil }, `"n":2}`},
		"a failure":   {func(_ context.Context, env Env) error { say(env, 3); return errors.New("no luck") }, "no luck"},
		"cut short": {func(_ context.Context, env Env) error {
			say(env, 3)
			env.Exit(exitFailed) // as the second signal does
			return nil
		}, `"n":2}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out calls
				var atExit string
				env := Env{Stdout: io.Discard, Stderr: &out, Exit: func(int) { atExit = strings.Join(out.texts(), "") }}
				gathered, flush := gather(env)
				err := test.run(t.Context(), gathered)
				report(gathered, "program", err)
				flush()
				lines := strings.Split(strings.TrimSpace(strings.Join(out.texts(), "")), "\n")
				if n := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, test.last) }); n != len(lines)-1 || len(lines) < 3 {
					t.Errorf("%q", lines)
				}
				if name == "cut short" && !strings.Contains(atExit, test.last) {
					t.Errorf("when the process ends, only this is out: %s", atExit)
				}
				time.Sleep(2 * gatherFor)
			})
		})
	}
}
