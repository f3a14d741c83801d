package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/config"
)

// demoTimeout bounds the whole tour, a slow machine allowed for.
const demoTimeout = 2 * time.Minute

// demo starts everything with data of its own, takes the tour as a client would,
// and ends. What it made stays in a directory that it names.
func demo(ctx context.Context, env boot.Env) error {
	c, key, err := demoConfig(env.Lookup)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, errors.New("the demo took too long"))
	defer cancel()
	fmt.Fprintf(env.Stdout, "Starting the API, the worker, a Redis, a database and a mail catcher in this process.\n")
	logger := boot.NewLogger(env.Stderr, c.API.Process)
	started := make(chan addresses, 1)
	ended := make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	go func() { ended <- serve(serving, c, logger, func(a addresses) { started <- a }) }()

	select {
	case err := <-ended:
		return err
	case at := <-started:
		err := newTour(at, key, env.Stdout).run(ctx)
		stop()
		if err = errors.Join(err, <-ended); err != nil {
			return err
		}
		return closing(env.Stdout, c.API.DataDir)
	}
}

// closing says where everything is now that nobody serves it any more.
func closing(w io.Writer, dir string) error {
	fmt.Fprintf(w, "\nEverything is done. What was made is in %s:\n", dir)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %9d  %s\n", info.Size(), path)
		return nil
	})
	fmt.Fprintln(w, "Start tandem without a command to look around.")
	return err
}

// demoConfig is the configuration of a process that depends on nothing outside, and
// nothing outside on it: free ports, a new directory, one caller with a key of its
// own. Whatever servers the surroundings name, a demo is not for them: only what
// is about logs is taken over.
func demoConfig(lookup config.Lookup) (c config.Tandem, key string, err error) {
	dir, err := os.MkdirTemp("", "tandem-demo-")
	if err != nil {
		return c, "", fmt.Errorf("make a directory for the demo: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return c, "", err
	}
	key = rand.Text()
	own := map[string]string{
		"DATA_DIR": dir, "PORT": strconv.Itoa(port), "OPS_ADDR": "127.0.0.1:0", "HOST": "127.0.0.1",
		"PUBLIC_URL": "http://127.0.0.1:" + strconv.Itoa(port), "LOG_LEVEL": "error",
		"API_KEYS":   "demo:" + key + ":jobs:write+jobs:read+exports:all+tenant=demo",
		"RATE_LIMIT": "off",
	}
	for _, name := range []string{"LOG_FORMAT", "LOG_LEVEL", "NO_COLOR"} {
		if value, ok := lookup(name); ok && value != "" {
			own[name] = value
		}
	}
	c, err = config.LoadTandem(func(name string) (string, bool) {
		value, ok := own[name]
		return value, ok
	})
	return c, key, err
}
