package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/promises"
)

var whole = size{jobs: 1_000_000, faults: 1_000, lasting: 25 * time.Minute}

// An hour is what somebody waits for: the plan has to leave some of it.
func TestTheCampaignTakesLessThanAnHour(t *testing.T) {
	all := time.Duration(0)
	for _, s := range plan(whole) {
		all += s.takes()
	}
	if all > 52*time.Minute {
		t.Errorf("the plan takes %s", all)
	}
}

// A test that is renamed must not fall out of the plan unseen.
func TestEveryExperimentIsThere(t *testing.T) {
	for _, s := range plan(whole) {
		for _, e := range s {
			source := sources(t, filepath.Join("..", e.pkg))
			for name := range strings.SplitSeq(strings.Trim(e.tests, "^$()"), "|") {
				if !strings.Contains(source, "func "+name+"(t *testing.T)") {
					t.Errorf("%s: there is no %s in %s", e.name, name, e.pkg)
				}
			}
			for _, row := range e.rows {
				if begin, _, _ := strings.Cut(row, ", "); !strings.Contains(source, `"`+begin) {
					t.Errorf("%s: no test of %s writes the row %q", e.name, e.pkg, row)
				}
			}
		}
	}
}

// Nor must one that is new be forgotten.
func TestEveryPromiseIsTried(t *testing.T) {
	var planned []string
	for _, s := range plan(whole) {
		for _, e := range s {
			planned = append(planned, e.tests)
		}
	}
	for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(sources(t, "../promises"), -1) {
		name := found[1]
		if strings.Contains(name, "Row") || name == "TestQuantiles" {
			continue // of the package itself
		}
		if !strings.Contains(strings.Join(planned, "|"), name) {
			t.Errorf("%s is not in the plan", name)
		}
	}
}

func sources(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("tests of %s: %v, error %v", dir, files, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// An experiment that fails, or ends without its rows, is red, has a row that says
// so in place of an old one, and does not keep the next from its turn.
func TestWhatFailsStopsNothingAndIsToldOf(t *testing.T) {
	out, evidence := t.TempDir(), t.TempDir()
	save(t, out, promises.Row{Name: "dead", Measured: "of last week", Holds: true})
	var said bytes.Buffer
	c := &campaign{seed: 3, out: out, evidence: evidence, begun: time.Now(), to: &said, command: scripted(map[string]string{
		"dead":   "echo panic: oh no; exit 2",
		"broken": "true",
		"late":   "exit 1",
		"good":   "echo '--- PASS: TestGood (1.00s)'",
	})}
	save(t, c.rows(experiment{name: "broken"}), promises.Row{Name: "broken", Goal: "0", Measured: "7"})
	save(t, c.rows(experiment{name: "late"}), promises.Row{Name: "late", Goal: "0", Measured: "0", Holds: true})
	save(t, c.rows(experiment{name: "good"}), promises.Row{Name: "good", Goal: "0", Measured: "0", Holds: true})
	reds := c.run(t.Context(), []stage{{named("dead"), named("broken")}, {named("late")}, {named("good")}})
	if len(reds) != 5 {
		t.Errorf("red are %q, want two ends, a missing row, the promise that another broke, and the row of one that failed later", reds)
	}
	if row, err := promises.Load(out, "dead"); err != nil || row.Holds || !strings.Contains(row.Measured, "exit status 2") {
		t.Errorf("row of the dead %+v, error %v", row, err)
	}
	if row, err := promises.Load(out, "late"); err != nil || row.Holds || !strings.Contains(row.Measured, "exit status 1") {
		t.Errorf("row of one that failed after it was written %+v, error %v", row, err)
	}
	if row, err := promises.Load(out, "good"); err != nil || !row.Holds {
		t.Errorf("row of the good %+v, error %v", row, err)
	}
	for _, want := range []string{"dead: panic: oh no", "good: --- PASS: TestGood", "RED broken: promised 0, measured 7"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q was not said:\n%s", want, &said)
		}
	}
}

func named(name string) experiment {
	return experiment{name: name, pkg: "./x", tests: name, rows: []string{name}}
}

func save(t *testing.T, dir string, row promises.Row) {
	t.Helper()
	if err := row.Save(dir); err != nil {
		t.Fatal(err)
	}
}

// scripted plays each experiment, known by its tests, with a shell script.
func scripted(scripts map[string]string) func(context.Context, string, ...string) *exec.Cmd {
	return func(ctx context.Context, _ string, args ...string) *exec.Cmd {
		for _, arg := range args {
			if name, ok := strings.CutPrefix(arg, "-run="); ok {
				return exec.CommandContext(ctx, "sh", "-c", scripts[name])
			}
		}
		return exec.CommandContext(ctx, "false")
	}
}
