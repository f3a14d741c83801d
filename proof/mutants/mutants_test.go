package mutants_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandemq/tandem/proof/mutants"
	"github.com/tandemq/tandem/proof/promises"
	"github.com/tandemq/tandem/proof/storm"
)

var (
	all  = flag.Bool("all", false, "try every mutant, not only the fast ones")
	only = flag.String("only", "", "try the mutants whose names match this `expression`")
	out  = flag.String("out", "", "`directory` for the row of the table")
)

// harmless mutants must not be found.
const harmless = "a hasty stop"

func TestEveryMutantIsFound(t *testing.T) {
	tree, err := filepath.Abs("../../internal/jobs")
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	scenarios := storm.Scenarios()
	var mu sync.Mutex
	var table []string
	bugs, found := 0, 0
	t.Cleanup(func() {
		slices.Sort(table)
		t.Logf("%d mutants tried\n%s", len(table), strings.Join(table, "\n"))
		if *all && *only == "" {
			publish(t, bugs, found)
		}
	})
	for _, m := range mutants.All() {
		if !*all && !m.Fast && *only == "" || !wanted.MatchString(m.Name) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			scenario, ok := scenarios[m.Scenario]
			if !ok {
				t.Fatalf("there is no scenario %q", m.Scenario)
			}
			subject, scripts, err := m.Build(tree, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			outcome := scenario.Run(t, subject, scripts, chance)
			if err := os.Remove(subject); err != nil {
				t.Error(err)
			}
			mu.Lock()
			table = append(table, fmt.Sprintf("%s: %v %d", m.Name, outcome.Counts, len(outcome.Problems)))
			if m.Name != harmless {
				bugs++
			}
			if m.Name != harmless && !outcome.Clean() {
				found++
			}
			mu.Unlock()
			if outcome.Clean() != (m.Name == harmless) {
				t.Errorf("clean %v (%s: %s)\n%s", outcome.Clean(), m.Scenario, m.Why, outcome.Report)
			}
		})
	}
}

// chance is what the storms of the mutants are drawn from: each was chosen so that
// its bug shows in this one.
const chance = 1

// publish prints the row, and saves it where that was asked for.
func publish(t *testing.T, bugs, found int) {
	t.Helper()
	planted := len(mutants.All()) - 1 // without the harmless one
	row := promises.Row{
		Name: "planted bugs that the checker finds", Goal: "all", Measured: fmt.Sprintf("%d of %d", found, planted), N: bugs,
		Of: "bugs planted in our code and scripts, one at a time", Seed: chance, Holds: found == planted && !t.Failed(),
	}
	line, err := row.Line()
	if err != nil {
		t.Error(err)
	}
	fmt.Println(line)
	if *out == "" {
		return
	}
	if err := row.Save(*out); err != nil {
		t.Error(err)
	}
}

// The texts of all mutants are where they are looked for, also of those that are
// not tried now.
func TestEveryMutantCanBePlanted(t *testing.T) {
	tree, err := filepath.Abs("../../internal/jobs")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants.All() {
		if err := m.Plantable(tree); err != nil {
			t.Error(err)
		}
	}
	if n := len(mutants.All()); n < 26 {
		t.Errorf("%d mutants, want 25 and a harmless one", n)
	}
}
