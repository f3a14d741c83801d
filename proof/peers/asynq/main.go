// Command asynq is github.com/hibiken/asynq under test.
//
//	asynq produce …  adds the jobs of a file, one task of package task in a line
//	asynq work …     runs them in a server
//
// It writes the ledger that the subject writes, as far as the library tells what
// belongs there: no renewals, and no outcomes.
//
// SIGTERM stops it in good order. It exits with 0 then, and when a producer is
// done.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hibiken/asynq"

	"github.com/tandemq/tandem/proof/ledger"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "asynq:", err)
		os.Exit(1)
	}
}

// common is what both modes need.
type common struct {
	redis string
	queue string
	dir   string
	book  *ledger.Writer
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say produce or work")
	}
	var c common
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&c.redis, "redis", "", "`url` of the server")
	flags.StringVar(&c.queue, "queue", "storm", "name of the queue")
	flags.StringVar(&c.dir, "ledger", ".", "`folder` for the ledger")
	var do func(context.Context, asynq.RedisConnOpt) error
	switch args[0] {
	case "produce":
		p := &producer{common: &c}
		p.register(flags)
		do = p.run
	case "work":
		w := &workman{common: &c}
		w.register(flags)
		do = w.run
	default:
		return fmt.Errorf("%q is neither produce nor work", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	return c.withLedger(args[0], do)
}

func (c *common) withLedger(role string, do func(context.Context, asynq.RedisConnOpt) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server, err := asynq.ParseRedisURI(c.redis)
	if err != nil {
		return err
	}
	if c.book, err = ledger.Open(c.dir, "asynq-"+role); err != nil {
		return err
	}
	forget := context.AfterFunc(ctx, func() { c.tell(role, "stop") })
	defer forget()
	if err := do(ctx, server); err != nil {
		return err
	}
	c.tell(role, "done")
	return c.book.Close()
}

// tell writes an entry about this process.
func (c *common) tell(role, what string) {
	c.book.Add(ledger.Entry{Kind: ledger.Process, Pid: os.Getpid(), Text: role, Word: what})
}
