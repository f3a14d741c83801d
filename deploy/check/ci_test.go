package check

import (
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// command is a line of .ci/run that a change has to pass.
var command = regexp.MustCompile(`(?m)\b(make (?:--no-print-directory )?[a-z-]+|go test -run .+)$|\$\(make --no-print-directory ([a-z-]+)\)`)

// What passes here passes there: the workflow runs what .ci/run does.
func TestTheWorkflowRunsWhatIsRunHere(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/ci.yml")), &workflow); err != nil {
		t.Fatal(err)
	}
	var steps strings.Builder
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			steps.WriteString(step.Run + "\n")
		}
	}
	found := command.FindAllStringSubmatch(read(t, ".ci/run"), -1)
	if len(found) < 6 {
		t.Fatalf("only %d commands in .ci/run: %q", len(found), found)
	}
	for _, words := range found {
		wanted := words[1]
		if wanted == "" {
			wanted = "make " + words[2]
		}
		if !strings.Contains(steps.String(), wanted+"\n") {
			t.Errorf("no job of the workflow runs %q", wanted)
		}
	}
}
