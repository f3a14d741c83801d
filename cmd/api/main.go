// Command api accepts work over HTTP and answers once it is safe in Redis.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // dates in requests mean something on any machine

	"github.com/tandemq/tandem/cmd/internal/boot"
)

func main() { os.Exit(boot.Main(context.Background(), program(), boot.ProcessEnv())) }
