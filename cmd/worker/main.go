// Command worker runs jobs: it sends mails, makes exports and reports.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // schedules and reports know time zones on any machine

	"github.com/tandemq/tandem/cmd/internal/boot"
)

func main() { os.Exit(boot.Main(context.Background(), program(), boot.ProcessEnv())) }
