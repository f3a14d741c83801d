package peers_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

var (
	full = flag.Bool("full", false, "compare under faults, which takes six minutes")
	seed = flag.Uint64("seed", 1, "what the faults are drawn from")
	out  = flag.String("out", "", "`directory` for the results")
)

// programs is where the programs under test are, built once.
var programs string

func TestMain(m *testing.M) {
	flag.Parse()
	redisconn.LogTo(slog.New(slog.DiscardHandler))
	os.Exit(withPrograms(m))
}

func withPrograms(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "peers-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	for name, pkg := range map[string]string{"subject": "subject", "asynq": "peers/asynq"} {
		build := exec.Command("go", "build", "-o", filepath.Join(programs, name), "github.com/tandemq/tandem/proof/"+pkg)
		if text, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, text)
			return 1
		}
	}
	return m.Run()
}
