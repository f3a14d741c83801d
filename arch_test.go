// Package tandem_test holds the map of the program: which room may see which.
// The picture it checks is in docs/ARCHITECTURE.md, the words in CONTRIBUTING.md.
package tandem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tandemq/tandem/"

// arrows says for each room what it may import of ours. Packages below a room
// belong to it unless they are listed themselves, and see each other.
var arrows = map[string][]string{
	// Words: they import nobody, so everybody can import them.
	"internal/jobs":      {},
	"internal/jobs/cron": {},
	"internal/config":    {},
	"internal/origin":    {},

	// The closed engine room of the queue, and the connection it runs on.
	"internal/jobs/redisconn":       {"internal/jobs"},
	"internal/jobs/internal/wire":   {"internal/jobs"},
	"internal/jobs/internal/broker": {"internal/jobs", "internal/jobs/internal/wire"},

	// One room for each person who meets a queue. None imports another.
	"internal/jobs/queue":  engine(),
	"internal/jobs/worker": engine("internal/jobs/cron"),
	"internal/jobs/events": engine(),
	"internal/jobs/admin":  engine(),

	// Business: what a mail, an export, a report, an account is.
	"internal/dataset":     {"internal/jobs"},
	"internal/email":       {"internal/jobs"},
	"internal/emailreport": {"internal/jobs", "internal/email", "internal/report"},
	"internal/export":      {"internal/jobs", "internal/dataset"},
	"internal/report":      {"internal/jobs", "internal/dataset"},
	"internal/outbox":      {"internal/jobs"},
	"internal/users":       {"internal/jobs", "internal/outbox"},

	// Edges: HTTP, SQL, files, the mail catcher, the Redis in the process.
	"internal/handlers":       {"internal/jobs", "internal/dataset", "internal/email", "internal/emailreport", "internal/export", "internal/report", "internal/origin", "internal/users", "internal/store"},
	"internal/handlers/adapt": engine("internal/handlers", "internal/jobs/queue", "internal/jobs/admin", "internal/jobs/events", "internal/storage"),
	"internal/store":          {"internal/jobs", "internal/outbox", "internal/users"},
	"internal/storage":        {},
	"internal/mailcatch":      {},
	"internal/embedded":       {},

	// For tests.
	"internal/redistest":       {"internal/embedded"},
	"internal/jobs/jobstest":   engine("internal/jobs/queue", "internal/jobs/worker", "internal/jobs/events", "internal/jobs/admin", "internal/redistest"),
	"internal/jobs/interop":    {},
	"internal/jobs/simulation": engine("internal/jobs/queue", "internal/jobs/worker", "internal/jobs/admin", "internal/embedded"),
	"internal/jobs/gates":      {}, // limits on what a job costs Redis

	"internal/report/reporttest":       {"internal/jobs", "internal/report", "internal/store"},
	"internal/jobs/internal/invariant": {"internal/jobs", "internal/jobs/internal/wire"},

	// Wiring: the one place that sees everything.
	"cmd/internal/boot":      {"internal/config", "internal/jobs", "internal/jobs/redisconn"},
	"cmd/internal/parts":     {"cmd", "internal"},
	"cmd/internal/boottest":  {"cmd/internal/boot"},
	"cmd/internal/apiapp":    {"cmd", "internal"},
	"cmd/internal/workerapp": {"cmd", "internal"},
	"cmd/internal/tracing":   {"internal/config", "internal/jobs"},
	"cmd/api":                {"cmd", "internal"},
	"cmd/worker":             {"cmd", "internal"},
	"cmd/tandem":             {"cmd", "internal"},
	"cmd/e2e":                {"cmd", "internal"}, // tests of the binaries
}

// engine is what every room on top of the broker may see, and more.
func engine(more ...string) []string {
	return append([]string{"internal/jobs", "internal/jobs/internal", "internal/jobs/redisconn"}, more...)
}

// libraries says who may import a library that must not spread.
var libraries = map[string][]string{
	"github.com/redis/go-redis":     {"internal/jobs/redisconn", "internal/jobs/internal/broker", "internal/jobs/internal/invariant", "internal/jobs/jobstest", "internal/redistest"},
	"github.com/alicebob/miniredis": {"internal/embedded"},
	"github.com/testcontainers":     {"internal/redistest/container"},
	"github.com/xuri/excelize":      {"internal/export", "internal/report"},
	"codeberg.org/go-pdf/fpdf":      {"internal/export", "internal/report"},
	"github.com/go-analyze/charts":  {"internal/report"},
}

// notLinked says what must not end up in a binary, and why.
var notLinked = map[string]map[string]string{
	"cmd/api": {
		"github.com/xuri/excelize":      "the API writes no spreadsheets; the worker does",
		"codeberg.org/go-pdf/fpdf":      "the API writes no PDFs; the worker does",
		"github.com/go-analyze/charts":  "the API draws no charts; the worker does",
		"github.com/alicebob/miniredis": "the embedded Redis is for cmd/tandem",
		"testing":                       "what only tests need is imported only by tests",
	},
	"cmd/worker": {
		"github.com/alicebob/miniredis": "the embedded Redis is for cmd/tandem",
		"testing":                       "what only tests need is imported only by tests",
	},
	"cmd/tandem": {
		"testing": "what only tests need is imported only by tests",
	},
}

func TestRoomsSeeOnlyWhatIsBelowThem(t *testing.T) {
	for _, p := range packages(t, "./...") {
		room, may := roomOf(p.name())
		if room == "" {
			t.Errorf("%s is not on the map: add it to arrows in arch_test.go with what it may import, and to the table in CONTRIBUTING.md", p.name())
			continue
		}
		for _, imported := range p.ours() {
			if !sees(room, imported) && !slices.ContainsFunc(may, func(target string) bool { return sees(target, imported) }) {
				t.Errorf("%s imports %s: %s may see %v only; declare a small interface where it is needed, or move the code", p.name(), imported, room, may)
			}
		}
	}
}

func TestTheMapHasOnlyRoomsThatThereAre(t *testing.T) {
	for room := range arrows {
		files, err := filepath.Glob(filepath.Join(filepath.FromSlash(room), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Errorf("%s is on the map and has no code: take it off arrows in arch_test.go and out of CONTRIBUTING.md", room)
		}
	}
}

// The picture shows every room of the product, and no arrow that goes up.
func TestThePictureShowsTheMap(t *testing.T) {
	rows := picture(t)
	for room, may := range arrows {
		row, shown := rows[room]
		if !shown && room == "internal/"+filepath.Base(room) && room != "internal/redistest" {
			t.Errorf("%s is not in the picture of docs/ARCHITECTURE.md", room)
		}
		for _, target := range may {
			if below, there := rows[target]; shown && there && below < row {
				t.Errorf("%s may see %s, which docs/ARCHITECTURE.md draws above it", room, target)
			}
		}
	}
	for room := range rows {
		if _, there := arrows[room]; !there {
			t.Errorf("docs/ARCHITECTURE.md draws %s, which is not on the map", room)
		}
	}
}

// picture has the row of each room that is drawn, counted from the top.
func picture(t *testing.T) map[string]int {
	t.Helper()
	_, text, _ := strings.Cut(readFile(t, "docs/ARCHITECTURE.md"), "## Rooms\n\n```\n")
	text, _, _ = strings.Cut(text, "```")
	rows := map[string]int{}
	for row, lines := range strings.Split(text, "  ────") {
		for _, line := range strings.Split(lines, "\n") {
			words := strings.Fields(strings.TrimLeft(line, "─ "))
			if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && len(words) > 0 {
				words = words[1:] // the name of the row
			}
			for _, word := range words {
				if word != "└──" {
					rows[roomNamed(word)] = row
				}
			}
		}
	}
	if len(rows) < 20 {
		t.Fatalf("docs/ARCHITECTURE.md has no picture as it was: %v", rows)
	}
	return rows
}

func roomNamed(word string) string {
	if strings.HasPrefix(word, "cmd/") {
		return word
	}
	return "internal/" + word
}

// Whoever adds a package looks it up in the table, by its path or its last part.
// The tour of the queue is its package comment.
func TestTheTableOfRoomsHasThemAll(t *testing.T) {
	text := readFile(t, "CONTRIBUTING.md")
	for room := range arrows {
		if strings.HasPrefix(room, "internal/jobs/") || strings.HasSuffix(room, "/reporttest") {
			continue
		}
		if !strings.Contains(text, "`"+room+"`") && !strings.Contains(text, "`"+filepath.Base(room)+"`") {
			t.Errorf("%s is not in the table of CONTRIBUTING.md", room)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLibrariesStayWhereTheyBelong(t *testing.T) {
	for _, p := range packages(t, "./...") {
		for library, owners := range libraries {
			mine := slices.ContainsFunc(owners, func(owner string) bool { return within(p.name(), owner) })
			if !mine && slices.ContainsFunc(p.Imports, func(path string) bool { return within(path, library) }) {
				t.Errorf("%s imports %s, which is for %v", p.name(), library, owners)
			}
		}
	}
}

func TestOnlyTestPackagesImportTesting(t *testing.T) {
	for _, p := range packages(t, "./...") {
		helper := strings.HasSuffix(p.name(), "test") || p.name() == "internal/jobs/internal/invariant"
		if slices.Contains(p.Imports, "testing") && !helper {
			t.Errorf("%s imports testing: helpers for tests live in a package whose name ends in test", p.name())
		}
	}
}

func TestBinariesLeaveOutWhatTheyDoNotNeed(t *testing.T) {
	for binary, unwanted := range notLinked {
		for _, p := range packages(t, "-deps", "./"+binary) {
			for library, why := range unwanted {
				if within(p.ImportPath, library) {
					t.Errorf("%s links %s: %s (go mod why tells the way)", binary, p.ImportPath, why)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t, "./...") {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment: say what exists there, how it moves and what is promised", p.name())
		}
	}
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Imports    []string
}

// name is the path inside the module.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// ours are the imports from this module.
func (p pkg) ours() []string {
	var names []string
	for _, path := range p.Imports {
		if name, ok := strings.CutPrefix(path, module); ok {
			names = append(names, name)
		}
	}
	return names
}

func packages(t *testing.T, args ...string) []pkg {
	t.Helper()
	list := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,GoFiles,Imports"}, args...)...)
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	all, err := decode(output)
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return slices.DeleteFunc(all, func(p pkg) bool { return p.ImportPath+"/" == module })
}

func decode(output []byte) ([]pkg, error) {
	var all []pkg
	for stream := json.NewDecoder(bytes.NewReader(output)); ; {
		var p pkg
		err := stream.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("package %d: %w", len(all), err)
		}
		all = append(all, p)
	}
}

// roomOf is the listed room that a package belongs to: the longest that has it.
// What is below the words is no part of them: each of those has to be listed.
func roomOf(name string) (room string, may []string) {
	for candidate, sees := range arrows {
		if candidate == "internal/jobs" && name != candidate {
			continue
		}
		if within(name, candidate) && len(candidate) > len(room) {
			room, may = candidate, sees
		}
	}
	return room, may
}

// sees reports whether an arrow to target covers the package named. An arrow to
// a room covers what belongs to that room, not the listed rooms below it; the
// arrows to all of a folder end in a folder that is no room itself.
func sees(target, name string) bool {
	if _, isRoom := arrows[target]; !isRoom {
		return within(name, target)
	}
	room, _ := roomOf(name)
	return room == target
}

// within reports whether path is parent or below it.
func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}
