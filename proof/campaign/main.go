package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "what all faults are drawn from")
	out := flag.String("out", "results", "`directory` for the rows of the table")
	jobs := flag.Int("jobs", 1_000_000, "jobs of the storm")
	faults := flag.Int("faults", 1_080, "faults of the storm, of which a few will find nothing to happen to")
	lasting := flag.Duration("for", 25*time.Minute, "how long the storm is")
	only := flag.String("only", "", "run only these experiments: `names` with commas between")
	flag.Parse()
	stages := chosen(plan(size{*jobs, *faults, *lasting}), *only)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, stages, *seed, *out); err != nil {
		fmt.Fprintln(os.Stderr, "campaign:", err)
		os.Exit(1)
	}
}

// chosen leaves the named experiments; all when none is named.
func chosen(stages []stage, names string) (left []stage) {
	if names == "" {
		return stages
	}
	for _, s := range stages {
		var some stage
		for _, e := range s {
			if strings.Contains(","+names+",", ","+e.name+",") {
				some = append(some, e)
			}
		}
		if len(some) > 0 {
			left = append(left, some)
		}
	}
	return left
}

// run runs the plan from the folder of proof. The error says what is red.
func run(ctx context.Context, stages []stage, seed uint64, out string) error {
	if len(stages) == 0 {
		return fmt.Errorf("no experiment has that name")
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	evidence, err := os.MkdirTemp("", fmt.Sprintf("campaign-%d-", seed))
	if err != nil {
		return err
	}
	fmt.Printf("campaign of seed %d, %s; logs in %s\n%s", seed, version(), evidence, describe(stages))
	c := &campaign{seed: seed, out: out, evidence: evidence, begun: time.Now(), to: os.Stdout, command: testCommand}
	reds := c.run(ctx, stages)
	c.say("the campaign is over")
	if len(reds) > 0 {
		return fmt.Errorf("%d things are red, the evidence is in %s:\n  %s", len(reds), evidence, strings.Join(reds, "\n  "))
	}
	return nil
}

// version names the commit that is tried.
func version() string {
	text, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "of an unknown version"
	}
	return "version " + strings.TrimSpace(string(text))
}

// testCommand is ended in good order when the campaign is, so that it can end
// what it has started.
func testCommand(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}
