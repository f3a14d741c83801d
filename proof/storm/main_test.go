package storm_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// What a campaign is made of. The defaults are the small form, for every change.
var (
	campaign = flag.Bool("campaign", false, "run the large form")
	seed     = flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the faults are drawn from")
	faults   = flag.Int("faults", 75, "how many faults the mixed storm has")
	jobCount = flag.Int("jobs", 52_000, "how many jobs it has")
	lasting  = flag.Duration("for", 3*time.Minute, "how long it may be")
	out      = flag.String("out", "", "`directory` for the rows of the table")
	evidence = flag.String("evidence", "", "`directory` in which the ledgers of a storm that found something stay")
)

// subject is the program under test, built once.
var subject string

func TestMain(m *testing.M) {
	flag.Parse()
	redisconn.LogTo(slog.New(slog.DiscardHandler))
	os.Exit(withSubject(m))
}

func withSubject(m *testing.M) int {
	dir, err := os.MkdirTemp("", "storm-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	subject = filepath.Join(dir, "subject")
	if text, err := exec.Command("go", "build", "-o", subject, "github.com/tandemq/tandem/proof/subject").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the subject: %v\n%s", err, text)
		return 1
	}
	return m.Run()
}
