package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandemq/tandem/proof/promises"
)

// campaign is one run of a plan.
type campaign struct {
	seed     uint64
	out      string // directory for the rows
	evidence string // directory for logs, and for what failed experiments leave
	begun    time.Time
	command  func(ctx context.Context, name string, args ...string) *exec.Cmd

	mu   sync.Mutex // guards the fields below
	to   io.Writer
	reds []string // what failed, in words
}

// run obeys the plan and tells what is red; none of that stops the rest.
func (c *campaign) run(ctx context.Context, stages []stage) (reds []string) {
	for _, s := range stages {
		var running sync.WaitGroup
		for _, e := range s {
			running.Go(func() { c.try(ctx, e) })
		}
		running.Wait()
	}
	return c.reds
}

// try runs one experiment and collects its rows.
func (c *campaign) try(ctx context.Context, e experiment) {
	begun := time.Now()
	c.say("%s begins, about %s", e.name, e.takes)
	err := c.test(ctx, e)
	c.collect(e, err)
	if err != nil {
		c.red("%s: %v, see %s", e.name, err, c.log(e))
	}
	c.say("%s has ended after %s", e.name, time.Since(begun).Truncate(time.Second))
}

func (c *campaign) log(e experiment) string { return filepath.Join(c.evidence, e.name+".log") }

// rows is where an experiment leaves its own.
func (c *campaign) rows(e experiment) string { return filepath.Join(c.evidence, e.name+".rows") }

// test runs the experiment's go test. All it says goes to its log, and what is
// for people to us.
func (c *campaign) test(ctx context.Context, e experiment) error {
	log, err := os.Create(c.log(e))
	if err != nil {
		return err
	}
	words := append([]string{"test", "-count=1", "-v", "-timeout=" + e.limit.String(), "-run=" + e.tests}, e.flags...)
	words = append(words, e.pkg, "-args", "-campaign", "-seed="+strconv.FormatUint(c.seed, 10), "-out="+c.rows(e))
	if e.pkg == "./storm" {
		words = append(words, "-evidence="+filepath.Join(c.evidence, e.name))
	}
	cmd := c.command(ctx, "go", append(words, e.args...)...)
	said, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	told := make(chan error, 1)
	go func() { told <- c.follow(e, said, log) }()
	err = cmd.Run()
	return errors.Join(err, writer.Close(), <-told, log.Close())
}

// follow copies what an experiment says into its log, and repeats what matters.
func (c *campaign) follow(e experiment, said *io.PipeReader, log io.Writer) error {
	defer said.Close() // whoever still writes is not to wait
	lines := bufio.NewReader(said)
	for {
		line, err := lines.ReadString('\n')
		if _, failed := io.WriteString(log, line); failed != nil {
			return failed
		}
		if matters(line) {
			c.say("%s: %s", e.name, strings.TrimSpace(line))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// matters reports whether a line is for people: rows, progress, verdicts of tests.
func matters(line string) bool {
	line = strings.TrimSpace(line)
	for _, begin := range []string{`{"name"`, "storm after", "progress:", "evidence of", "--- ", "panic:", "FAIL"} {
		if strings.HasPrefix(line, begin) {
			return !strings.Contains(line, "/") || begin != "--- " // not of each subtest
		}
	}
	return false
}

// collect moves the experiment's rows to where all are. One that is missing
// becomes a row that says so: an old one in its place would be a lie. None holds
// of an experiment that failed: what went wrong may be what a row did not see.
func (c *campaign) collect(e experiment, failed error) {
	for _, name := range e.rows {
		row, err := promises.Load(c.rows(e), name)
		if err != nil {
			row = promises.Row{Name: name, Goal: "a result", Measured: "none: the experiment ended before", Seed: c.seed}
			if failed != nil {
				row.Measured += " (" + failed.Error() + ")"
			}
		} else if failed != nil && row.Holds {
			row.Holds, row.Measured = false, row.Measured+", but the experiment failed: "+failed.Error()
		}
		if !row.Holds {
			c.red("%s: promised %s, measured %s", row.Name, row.Goal, row.Measured)
		}
		if err := row.Save(c.out); err != nil {
			c.red("%v", err)
		}
	}
}

// say prints a line with the time since the beginning.
func (c *campaign) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.to, "[%s] %s\n", clock(time.Since(c.begun)), fmt.Sprintf(format, args...))
}

func (c *campaign) red(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.say("RED %s", text)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reds = append(c.reds, text)
}
