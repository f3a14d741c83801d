// Command tandem is everything in one process, for a first look: the API, the
// worker, and in place of servers an embedded Redis, SQLite, a directory for
// files and a mail catcher.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // dates and schedules mean something on any machine

	"github.com/tandemq/tandem/cmd/internal/boot"
)

func main() { os.Exit(boot.Main(context.Background(), program(), boot.ProcessEnv())) }
