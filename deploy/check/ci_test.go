package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// step is a part of .ci/run that it says aloud.
type step struct {
	title    string
	commands []command
}

// command is a line of a step that a change has to pass.
type command struct {
	env  map[string]string
	line string
}

var (
	stepTitle   = regexp.MustCompile(`(?m)^\t?say '(.+)'$`)
	exported    = regexp.MustCompile(`(?m)^export ((?:[A-Z_]+=\S+ ?)+)$`)
	commandLine = regexp.MustCompile(`(?m)^\s*(?:report=\$\()?((?:[A-Z_]+=\S+ )*)(make (?:--no-print-directory )?[a-z-]+|go test .+?)\)?(?: \|.*)?$`)
)

// preparing are the steps that a change does not have to pass: the machine is made,
// and what was left out is told.
var preparing = []string{"what is missing", "the official Node client", "done"}

// stepsHere reads .ci/run.
func stepsHere(t *testing.T) []step {
	t.Helper()
	text := read(t, ".ci/run")
	everywhere := exported.FindStringSubmatch(text)
	if everywhere == nil {
		t.Fatal(".ci/run exports nothing that makes tests strict")
	}
	titles := stepTitle.FindAllStringSubmatchIndex(text, -1)
	var steps []step
	for i, at := range titles {
		end := len(text)
		if i+1 < len(titles) {
			end = titles[i+1][0]
		}
		s := step{title: text[at[2]:at[3]]}
		for _, found := range commandLine.FindAllStringSubmatch(text[at[1]:end], -1) {
			s.commands = append(s.commands, newCommand(everywhere[1]+" "+found[1], found[2]))
		}
		steps = append(steps, s)
	}
	return steps
}

func newCommand(env, line string) command {
	c := command{env: map[string]string{}, line: strings.Replace(line, "--no-print-directory ", "", 1)}
	for _, pair := range strings.Fields(env) {
		name, value, _ := strings.Cut(pair, "=")
		c.env[name] = value
	}
	if c.line == "go test ./..." && c.env["GOFLAGS"] == "-race" {
		delete(c.env, "GOFLAGS")
		c.line = "make test" // which is the same
	}
	return c
}

// workflow is what runs there.
type workflow struct {
	Env  map[string]string
	Jobs map[string]job
}

type job struct {
	Env   map[string]string
	Steps []struct{ Run, Uses string }
}

func theWorkflow(t *testing.T) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/ci.yml")), &w); err != nil {
		t.Fatal(err)
	}
	w.Env["CI"] = "true" // GitHub sets it
	return w
}

// runs says whether a job has the command as a line, alone or after sudo.
func (j job) runs(line string) bool {
	for _, s := range j.Steps {
		for one := range strings.Lines(s.Run) {
			if one = strings.TrimSpace(one); one == line || strings.HasPrefix(one, "sudo ") && strings.HasSuffix(one, " "+line) {
				return true
			}
		}
	}
	return false
}

func (j job) uses(action string) bool {
	return slices.ContainsFunc(j.Steps, func(s struct{ Run, Uses string }) bool { return s.Uses == action })
}

// Every kind of strictness that tests know holds for all that is run here.
func TestNothingIsSkippedHereBecauseItIsMissing(t *testing.T) {
	for _, s := range stepsHere(t) {
		for _, c := range s.commands {
			for _, variable := range []string{"CI", "REDISTEST_STRICT", "CHECK_STRICT", "CONTAINERTEST_STRICT"} {
				if c.env[variable] == "" {
					t.Errorf("%q runs without %s", c.line, variable)
				}
			}
		}
	}
}

// What passes here passes there: the workflow runs what .ci/run does, as strictly,
// and on a machine that has as much.
func TestTheWorkflowRunsWhatIsRunHere(t *testing.T) {
	there := theWorkflow(t)
	bare := []string{"make lint", "make vuln", "make test-containers"} // they need Go, or Docker, and no more
	for _, s := range stepsHere(t) {
		if len(s.commands) == 0 && !slices.Contains(preparing, s.title) {
			t.Errorf("no command was understood in the step %q", s.title)
		}
		for _, c := range s.commands {
			name := there.jobOf(c)
			if name == "" {
				t.Errorf("no job of the workflow runs %q with %v", c.line, c.env)
			} else if !slices.Contains(bare, c.line) && !there.Jobs[name].uses("./.github/actions/machine") {
				t.Errorf("the job %s runs %q on a machine that lacks what .ci/run installs", name, c.line)
			}
		}
	}
}

// jobOf is the job that runs the command with all of its variables, or "".
func (w workflow) jobOf(c command) string {
	for name, j := range w.Jobs {
		env := maps.Clone(w.Env)
		maps.Copy(env, j.Env)
		strict := true
		for variable, value := range c.env {
			strict = strict && env[variable] == value
		}
		if strict && j.runs(c.line) {
			return name
		}
	}
	return ""
}

var packageHere = regexp.MustCompile(`(?m)^\t(?:have|has_postgres).* \|\| echo ([a-z0-9 -]+)`)

// thereAnyway is what a checkout takes.
var thereAnyway = []string{"git", "make"}

func TestTheMachineThereHasThePackagesOfTheOneHere(t *testing.T) {
	action := read(t, ".github/actions/machine/action.yml")
	found := packageHere.FindAllStringSubmatch(read(t, ".ci/run"), -1)
	if len(found) < 10 {
		t.Fatalf("only %d lines of packages in .ci/run", len(found))
	}
	for _, names := range found {
		for _, name := range strings.Fields(names[1]) {
			if !slices.Contains(thereAnyway, name) && !regexp.MustCompile(`[ \n]`+name+`[ \n]`).MatchString(action) {
				t.Errorf("%s is not installed", name)
			}
		}
	}
	if !strings.Contains(action, "npm ci --prefix internal/jobs/interop/node") {
		t.Error("the Node client is not installed")
	}
}
