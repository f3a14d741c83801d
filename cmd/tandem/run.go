package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tandemq/tandem/cmd/internal/apiapp"
	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/workerapp"
	"github.com/tandemq/tandem/internal/config"
)

func program() boot.Program {
	return boot.Program{
		Name:    "tandem",
		Summary: "tandem runs the API and the worker in one process, with everything they need.",
		OpsAddr: "127.0.0.1:8081",
		Run:     run,
		Commands: []boot.Command{
			{Name: "demo", Summary: "send jobs of every type, watch them finish, and end", Run: demo},
		},
	}
}

// run serves until ctx ends.
func run(ctx context.Context, env boot.Env) error {
	lookup, err := withPort(env.Lookup)
	if err != nil {
		return err
	}
	c, err := config.LoadTandem(lookup, mistakes)
	if err != nil {
		return err
	}
	logger := boot.NewLogger(env.Stderr, c.API.Process)
	return serve(ctx, c, logger, func(a addresses) { announce(env.Stdout, a) })
}

// mistakes are those of both services.
func mistakes(c config.Tandem) []config.Problem {
	return append(apiapp.Mistakes(c.API), workerapp.Mistakes(c.Worker)...)
}

// announce prints the one line that says it is ready, and what to try.
func announce(w io.Writer, a addresses) {
	fmt.Fprintf(w, "\nready: api %[1]s · docs %[1]s/docs · metrics http://%[2]s/metrics", a.api, a.ops)
	if a.mails != "" {
		fmt.Fprintf(w, " · mails %s", a.mails)
	}
	if a.redis != "" {
		fmt.Fprintf(w, " · redis %s", a.redis)
	}
	fmt.Fprintf(w, `

Try:
  curl %[1]s/register -H 'Content-Type: application/json' -d '{"name":"Ada","email":"ada@example.com","password":"correct horse battery"}'
  curl %[1]s/api/v1/exports -H 'Content-Type: application/json' -d '{"format":"csv","query":{"dataset":"job_runs"},"userId":"ada"}'
  curl %[1]s/api/v1/queues

Stop with Ctrl-C. What is in the embedded Redis is gone then.

`, a.api)
}
