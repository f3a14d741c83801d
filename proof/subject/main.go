// Command subject is the program that a campaign is done to.
//
//	subject produce …  adds jobs through internal/jobs/queue
//	subject work …     runs them in an internal/jobs/worker pool
//
// with the settings that are shipped, unless a flag says otherwise. It writes a
// ledger of what it is about to do and of what came of it, one line at a time. It
// does not know which faults are on their way, and nothing in it is there to
// survive them: that is the queue's work.
//
// SIGTERM stops it in good order. It exits with 0 then, and when a producer is
// done; with 1 when something failed that no fault explains.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/proof/ledger"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(1)
	}
}

// common is what both modes need.
type common struct {
	redis  redisconn.Options
	prefix string
	queue  string
	dir    string
}

func (c *common) register(f *flag.FlagSet) {
	f.StringVar(&c.redis.URL, "redis", "", "`url` of the server")
	f.Func("addrs", "`addresses` of Sentinels or Cluster nodes, with commas between", func(text string) error {
		c.redis.Addrs = strings.Split(text, ",")
		return nil
	})
	f.StringVar(&c.redis.MasterName, "master", "", "what the Sentinels call the primary")
	f.BoolVar(&c.redis.Cluster, "cluster", false, "the addresses are of a Cluster")
	f.IntVar(&c.redis.Replicas, "replicas", 0, "an add waits for so many replicas")
	f.StringVar(&c.prefix, "prefix", "bull", "first part of every key")
	f.StringVar(&c.queue, "queue", "storm", "name of the queue")
	f.StringVar(&c.dir, "ledger", ".", "`folder` for the ledger")
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say produce or work")
	}
	var c common
	var p producer
	var w workman
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	c.register(flags)
	mode := map[string]struct {
		register func(*flag.FlagSet)
		run      func(context.Context, *redisconn.Conn, common, *ledger.Writer) error
	}{"produce": {p.register, p.run}, "work": {w.register, w.run}}[args[0]]
	if mode.run == nil {
		return fmt.Errorf("%q is neither produce nor work", args[0])
	}
	mode.register(flags)
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	return withLedger(c, args[0], mode.run)
}

func withLedger(c common, role string, run func(context.Context, *redisconn.Conn, common, *ledger.Writer) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	conn, err := redisconn.Open(c.redis)
	if err != nil {
		return err
	}
	defer conn.Close()
	book, err := ledger.Open(c.dir, role)
	if err != nil {
		return err
	}
	forget := context.AfterFunc(ctx, func() {
		book.Add(ledger.Entry{Kind: ledger.Process, Pid: os.Getpid(), Text: role, Word: "stop"})
	})
	defer forget()
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchVitals(book, ended, 2*time.Second)
	}()
	err = run(ctx, conn, c, book)
	close(ended)
	<-watched
	if err == nil {
		book.Add(ledger.Entry{Kind: ledger.Process, Pid: os.Getpid(), Text: role, Word: "done"})
		err = book.Close()
	}
	return err
}
