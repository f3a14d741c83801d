// Command compare measures Tandem beside BullMQ and asynq on the same Redis, and
// the api beside the least server that could answer. It starts its own
// redis-server, and for each system a process that works on it; systems take
// turns, round by round. It says first what it is going to do and how long that
// takes. It prints tables, and with -write puts those of a whole run into a page,
// which is written after every workload.
//
//	go -C bench run ./cmd/compare -for 33m -write ../docs/performance.md
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
	"slices"
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
	budget  time.Duration // 0 is no limit
	plan    bool
	quick   bool
	pin     bool
	json    string
	write   string
	partial bool // not all workloads, or not in earnest
}

// page is where the tables go: nowhere when they are those of a part, because they
// would take the place of the whole.
func (o options) page() string {
	if o.partial {
		return ""
	}
	return o.write
}

func parse(args []string, help io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&o.root, "root", "..", "the folder of the product's go.mod")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each workload")
	flags.IntVar(&o.backlog, "backlog", 1_000_000, "jobs in the long backlog")
	flags.DurationVar(&o.budget, "for", 0, "the time there is: rounds are dropped, to no fewer than 3, and then whole workloads; 0 is no limit")
	flags.BoolVar(&o.plan, "plan", false, "only say what would be measured, and when")
	flags.BoolVar(&o.quick, "quick", false, "one round of few jobs, to see that everything works; its numbers mean nothing")
	flags.BoolVar(&o.pin, "pin", false, "keep Redis on the first core and everybody else on the second (taskset)")
	flags.StringVar(&o.json, "json", "", "file for every sample")
	flags.StringVar(&o.write, "write", "", "page to write the tables into, between its marks; with -only or -quick it stays as it is")
	only := flags.String("only", "", "regular expression: the workloads to run")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.rounds, o.backlog = 1, min(o.backlog, 20_000)
	}
	o.partial = *only != "" || o.quick
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.rounds < 1 || o.backlog < smallBacklog || o.budget < 0 || flags.NArg() > 0 {
		return o, fmt.Errorf("needs a positive number of -rounds, a -backlog of at least %d, no negative time, and no arguments", smallBacklog)
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

// errTimeIsOver ends what is under way when the time of -for is over.
var errTimeIsOver = errors.New("the time is over")

// compareAll runs what was asked for. An experiment that fails does not take the
// results of the others with it, nor does an interruption: what there is has been
// published, and the error comes after.
func compareAll(ctx context.Context, o options) error {
	todo := chosen(o)
	if err := announce(os.Stderr, pace{budget: o.budget}, todo); err != nil || o.plan {
		return err
	}
	if o.write != o.page() {
		fmt.Fprintf(os.Stderr, "%s stays as it is: this is not the whole run\n", o.write)
	}
	l, err := newLab(o, os.Stderr)
	if err != nil {
		return err
	}
	if o.budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.budget, errTimeIsOver)
		defer cancel()
	}
	failures := l.measureAll(ctx, todo)
	report, err := l.publish()
	if err != nil {
		failures = append(failures, err)
	}
	_, err = fmt.Print(report)
	return errors.Join(append(failures, err)...)
}

// chosen are the experiments that -only names.
func chosen(o options) []experiment {
	return slices.DeleteFunc(experiments(o), func(e experiment) bool { return !o.only.MatchString(e.id) })
}

// measureAll publishes after each experiment, so that whatever ends the run
// leaves what had been measured.
func (l *lab) measureAll(ctx context.Context, todo []experiment) []error {
	p := pace{budget: l.options.budget}
	var failures []error
	for i, e := range todo {
		l.waiting = idsOf(todo[i+1:])
		if err := l.measure(ctx, &p, todo[i:]); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", e.id, err))
			l.log.Error("cannot measure", slog.String("workload", e.id), slog.Any("error", err))
		}
		if _, err := l.publish(); err != nil {
			return append(failures, err)
		}
	}
	return failures
}

// measure runs the first of todo, in as many rounds as there is time for, and
// notes what is missing of it.
func (l *lab) measure(ctx context.Context, p *pace, todo []experiment) error {
	e, began := todo[0], time.Now()
	if ctx.Err() != nil {
		l.missing(e.id, "not measured: "+context.Cause(ctx).Error())
		return context.Cause(ctx)
	}
	rounds := p.rounds(time.Since(l.begun), todo)
	if rounds == 0 {
		l.missing(e.id, "not measured: too little time was left")
		return nil
	}
	if rounds < e.rounds {
		l.missing(e.id, fmt.Sprintf("%d rounds, for want of time", rounds))
	}
	err := e.run(ctx, l, rounds)
	took := time.Since(began)
	switch {
	case err != nil && ctx.Err() != nil:
		l.missing(e.id, "stopped half way: "+context.Cause(ctx).Error())
		return err
	case err != nil:
		l.missing(e.id, "failed: "+l.firstLine(err))
		return err
	}
	p.note(e, rounds, took)
	l.log.Info("measured", slog.String("workload", e.id), slog.Int("rounds", rounds), slog.Duration("duration", took.Round(time.Millisecond)))
	return nil
}

func idsOf(experiments []experiment) []string {
	var ids []string
	for _, e := range experiments {
		ids = append(ids, e.id)
	}
	return ids
}

// publish writes what was asked for, and returns the report.
func (l *lab) publish() (string, error) {
	report := l.report(time.Since(l.begun))
	if l.options.json != "" {
		text, err := json.MarshalIndent(l.tally, "", " ")
		if err != nil {
			return report, err
		}
		if err := os.WriteFile(l.options.json, append(text, '\n'), 0o644); err != nil {
			return report, err
		}
	}
	if page := l.options.page(); page != "" {
		return report, writePage(page, report)
	}
	return report, nil
}
