// Command compare measures Tandem beside BullMQ and asynq on the same Redis, and
// the api beside the least server that could answer. It starts its own
// redis-server, and for each system a process that works on it; systems take
// turns, round by round. It prints tables, and with -write puts them into a page.
//
//	go -C bench run ./cmd/compare -write ../docs/performance.md
//	go -C bench run ./cmd/compare -quick -only 'drain|add'
//
// The program is also the processes that it starts: compare tandem, asynq, load
// and bare are for itself.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/tandemq/tandem/bench/internal/peer"
	"github.com/tandemq/tandem/bench/internal/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "tandem", "asynq", "load", "bare":
			return serveAs(ctx, args[0], args[1:])
		}
	}
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	return compareAll(ctx, o)
}

// serveAs is this program as one of the processes that it measures.
func serveAs(ctx context.Context, role string, args []string) error {
	arg := ""
	if len(args) > 0 {
		arg = args[0]
	}
	switch role {
	case "bare":
		listener, err := net.Listen("tcp", arg)
		if err != nil {
			return err
		}
		return web.Bare(ctx, listener)
	case "load":
		return peer.Serve(ctx, web.Load, os.Stdin, os.Stdout)
	}
	system, err := open(role, arg)
	if err != nil {
		return err
	}
	return errors.Join(peer.Serve(ctx, peer.Works(system), os.Stdin, os.Stdout), system.Close())
}

func open(role, url string) (peer.System, error) {
	if role == "asynq" {
		return peer.NewAsynq(url)
	}
	return peer.NewTandem(url)
}

// options of a run.
type options struct {
	root    string
	only    *regexp.Regexp
	rounds  int
	backlog int
	quick   bool
	pin     bool
	json    string
	write   string
}

func parse(args []string, help io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&o.root, "root", "..", "the folder of the product's go.mod")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each workload")
	flags.IntVar(&o.backlog, "backlog", 1_000_000, "jobs in the long backlog")
	flags.BoolVar(&o.quick, "quick", false, "one round of few jobs, to see that everything works; its numbers mean nothing")
	flags.BoolVar(&o.pin, "pin", false, "keep Redis on the first core and everybody else on the second (taskset)")
	flags.StringVar(&o.json, "json", "", "file for every sample")
	flags.StringVar(&o.write, "write", "", "page to write the tables into, between its marks")
	only := flags.String("only", "", "regular expression: the workloads to run")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.rounds, o.backlog = 1, min(o.backlog, 20_000)
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.rounds < 1 || o.backlog < smallBacklog || flags.NArg() > 0 {
		return o, fmt.Errorf("needs a positive number of -rounds, a -backlog of at least %d, and no arguments", smallBacklog)
	}
	return o, nil
}

// scaled is a number of jobs, fewer in a quick run.
func (o options) scaled(n int) int {
	if o.quick {
		return max(200, n/20)
	}
	return n
}

// short is a time in seconds, shorter in a quick run.
func (o options) short(seconds float64) float64 {
	if o.quick {
		return min(seconds, 2)
	}
	return seconds
}

// compareAll runs what was asked for. An experiment that fails does not take the
// results of the others with it: they are published, and the error comes after.
func compareAll(ctx context.Context, o options) error {
	l, err := newLab(o, os.Stderr)
	if err != nil {
		return err
	}
	started := time.Now()
	var failures []error
	for _, e := range experiments(o) {
		if !o.only.MatchString(e.id) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		if err := e.run(ctx, l); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", e.id, err))
			l.log.Error("cannot measure", slog.String("workload", e.id), slog.Any("error", err))
			continue
		}
		l.log.Info("measured", slog.String("workload", e.id), slog.Duration("duration", time.Since(began).Round(time.Millisecond)))
	}
	return errors.Join(append(failures, context.Cause(ctx), l.publish(time.Since(started)))...)
}

// publish prints the report, and writes what was asked for.
func (l *lab) publish(took time.Duration) error {
	report, err := l.report(took)
	if err != nil {
		return err
	}
	if _, err := fmt.Print(report); err != nil {
		return err
	}
	if l.options.json != "" {
		text, err := json.MarshalIndent(l.tally, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(l.options.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if l.options.write != "" {
		return writePage(l.options.write, report)
	}
	return nil
}
