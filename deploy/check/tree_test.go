package check

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the checkout.
const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// variable is a row of docs/configuration.md, which the product's own tests hold
// to its configuration.
type variable struct {
	secret   bool
	standard string // the default
	readers  []string
}

var variableRow = regexp.MustCompile("(?m)^\\| `([A-Z_]+)`( \\*)? \\| (.*?) \\| (.*?) \\|")

func variables(t *testing.T) map[string]variable {
	t.Helper()
	known := map[string]variable{}
	for _, row := range variableRow.FindAllStringSubmatch(read(t, "docs/configuration.md"), -1) {
		known[row[1]] = variable{row[2] != "", strings.Trim(row[3], "`"), strings.Split(row[4], ", ")}
	}
	if len(known) < 40 {
		t.Fatalf("docs/configuration.md seems to have changed its form: %d variables", len(known))
	}
	return known
}

// ofOthers are variables that the Go runtime reads.
var ofOthers = []string{"GOMEMLIMIT"}

// checkVariables reports variables that the program does not read, and secrets
// that are not read from a file.
func checkVariables(t *testing.T, program string, env map[string]string) {
	t.Helper()
	known := variables(t)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		v, plain := known[name]
		if ofFile, isFile := strings.CutSuffix(name, "_FILE"); isFile && !plain {
			if v = known[ofFile]; !v.secret {
				t.Errorf("%s: %s: %s is no secret, so it cannot be in a file", program, name, ofFile)
			}
		}
		switch {
		case slices.Contains(ofOthers, name):
		case !slices.Contains(v.readers, program):
			t.Errorf("%s does not read %s", program, name)
		case plain && v.secret && strings.Contains(env[name], "@"):
			t.Errorf("%s: the secret %s is in the environment; use %s_FILE", program, name, name)
		}
	}
}

// missing says what a test cannot do without, and skips it unless strict.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CHECK_STRICT") == "1" {
		t.Fatalf("%s is not there, and CHECK_STRICT is set", what)
	}
	t.Skipf("SKIPPED: %s is not there", what)
}
