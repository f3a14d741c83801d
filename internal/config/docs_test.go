package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/config"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/configuration.md")

const (
	docsFile = "../../docs/configuration.md"
	begin    = "<!-- made from the structs by: go test ./internal/config -update -->\n"
	end      = "<!-- end -->\n"
)

func TestTheDocumentationListsEveryVariable(t *testing.T) {
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s has lost its marks", docsFile)
	}
	want := before + begin + tables() + end + after
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("run go test ./internal/config -update\n%s", diff)
	}
}

// row is a variable with what differs between the binaries.
type row struct {
	config.Variable
	readers, defaults []string
}

func rows() []*row {
	var all []*row
	byName := map[string]*row{}
	for _, binary := range []struct {
		name      string
		variables []config.Variable
	}{{"api", config.APIVariables()}, {"worker", config.WorkerVariables()}, {"tandem", config.TandemVariables()}} {
		for _, v := range binary.variables {
			if byName[v.Name] == nil {
				byName[v.Name] = &row{Variable: v}
				all = append(all, byName[v.Name])
			}
			r := byName[v.Name]
			r.readers = append(r.readers, binary.name)
			r.defaults = append(r.defaults, v.Default)
		}
	}
	return all
}

func tables() string {
	var b strings.Builder
	var parts []string
	byPart := map[string][]*row{}
	for _, r := range rows() {
		if byPart[r.Part] == nil {
			parts = append(parts, r.Part)
		}
		byPart[r.Part] = append(byPart[r.Part], r)
	}
	for _, part := range parts {
		fmt.Fprintf(&b, "\n### %s\n\n| Variable | Default | Read by | Meaning |\n|---|---|---|---|\n", part)
		for _, r := range byPart[part] {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.title(), r.standard(), strings.Join(r.readers, ", "), strings.ReplaceAll(r.Doc, "|", `\|`))
		}
	}
	return b.String() + "\n"
}

func (r *row) title() string {
	if r.Secret {
		return "`" + r.Name + "` *"
	}
	return "`" + r.Name + "`"
}

// standard is the default, or the defaults where the binaries differ.
func (r *row) standard() string {
	same := true
	var each []string
	for i, standard := range r.defaults {
		same = same && standard == r.defaults[0]
		each = append(each, quoted(standard)+" ("+r.readers[i]+")")
	}
	if same {
		return quoted(r.defaults[0])
	}
	return strings.Join(each, ", ")
}

func quoted(text string) string {
	if text == "" {
		return "none"
	}
	return "`" + text + "`"
}

func TestEveryVariableIsExplained(t *testing.T) {
	for _, v := range append(config.APIVariables(), config.WorkerVariables()...) {
		if !strings.HasSuffix(v.Doc, ".") || v.Part == "" {
			t.Errorf("%s: %q in part %q is not a sentence in a part", v.Name, v.Doc, v.Part)
		}
	}
}

func TestTheExampleStartsThePair(t *testing.T) {
	set, mentioned := readExample(t, "../../.env.example")
	if _, err := config.LoadAPI(set.lookup); err != nil {
		t.Errorf("api: %v", err)
	}
	if _, err := config.LoadWorker(set.lookup); err != nil {
		t.Errorf("worker: %v", err)
	}
	known := map[string]bool{}
	for _, r := range rows() {
		known[r.Name] = true
		known[r.Name+"_FILE"] = r.Secret
	}
	for _, name := range mentioned {
		if !known[name] {
			t.Errorf("%s is no variable of ours", name)
		}
	}
}

// readExample returns what the file sets, and the names that it sets or shows
// in a comment such as "# PORT=8080".
func readExample(t *testing.T, path string) (set env, mentioned []string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set = env{}
	for n, line := range strings.Split(string(content), "\n") {
		text, commented := strings.CutPrefix(line, "# ")
		name, value, assigns := strings.Cut(text, "=")
		switch {
		case assigns && name == strings.ToUpper(name) && !strings.Contains(name, " "):
			mentioned = append(mentioned, name)
			if !commented {
				set[name] = strings.Trim(value, `"`)
			}
		case line != "" && !strings.HasPrefix(line, "#"):
			t.Errorf("line %d is neither a comment nor NAME=value: %s", n+1, line)
		}
	}
	return set, mentioned
}
