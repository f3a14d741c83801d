package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/work"
)

// child is a process that is measured.
type child struct {
	name    string
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
	encoder *json.Encoder
}

// oneProcessor is the environment of the Go programs that share two cores with
// Redis. Node has one processor by nature; with two, the helpers of Go's scheduler
// take from Redis the core that it needs, and everybody who waits for it is slower.
const oneProcessor = "GOMAXPROCS=1"

// startChild starts a command; env is added to its environment.
func startChild(cpu, name, env string, command ...string) (*child, error) {
	c := &child{name: name, cmd: server.Command(cpu, command[0], command[1:]...)}
	if env != "" {
		c.cmd.Env = append(os.Environ(), env)
	}
	c.cmd.Stderr = os.Stderr
	orders, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.orders, c.encoder, c.answers = orders, json.NewEncoder(orders), json.NewDecoder(answers)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// patience bounds one step of a measurement.
const patience = 3 * time.Minute

func (c *child) tell(ctx context.Context, o work.Order) (work.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() }) // the answer then ends
	defer stop()
	var a work.Answer
	if err := c.encoder.Encode(o); err != nil {
		return a, fmt.Errorf("%s: %w", c.name, err)
	}
	if err := c.answers.Decode(&a); err != nil {
		return a, fmt.Errorf("%s does not answer: %w", c.name, errors.Join(err, context.Cause(ctx)))
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", c.name, a.Error)
	}
	return a, nil
}

func (c *child) prepare(ctx context.Context, w work.Work) error {
	_, err := c.tell(ctx, work.Order{Work: &w})
	return err
}

func (c *child) run(ctx context.Context) (work.Result, error) {
	a, err := c.tell(ctx, work.Order{Go: true})
	if err != nil {
		return work.Result{}, err
	}
	if a.Result == nil {
		return work.Result{}, fmt.Errorf("%s has no result: %+v", c.name, a)
	}
	return *a.Result, nil
}

func (c *child) end(ctx context.Context) error {
	_, err := c.tell(ctx, work.Order{End: true})
	return err
}

// kill ends a child that has failed: there is nothing more to hear from it.
func (c *child) kill() {
	_ = c.orders.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// close lets the child end by itself, and ends one that does not.
func (c *child) close() error {
	err := c.orders.Close()
	late := time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() }) // Wait tells
	defer late.Stop()
	if waited := c.cmd.Wait(); waited != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", c.name, waited))
	}
	return err
}
