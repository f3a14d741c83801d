package broker

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/redistest"
)

func TestEveryScriptLoads(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		client := server.Client(t)
		for name, s := range library() {
			sha, err := client.ScriptLoad(context.Background(), s.text).Result()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if sha != s.sha {
				t.Errorf("%s: the server knows it as %s and we as %s", name, sha, s.sha)
			}
		}
	})
}

// header is what the comment at the top of a script promises.
type header struct {
	keys, args []int
	group      int // how many ARGV each repeated item takes, 0 without
	returns    bool
	includes   []string
}

var (
	slotLine  = regexp.MustCompile(`^-- (KEYS|ARGV|    )\s+(\d+) (\w+)\s`)
	groupLine = regexp.MustCompile(`^--\s+then (\w+) for each`)
	usedKey   = regexp.MustCompile(`KEYS\[(\d+)\]`)
	usedArg   = regexp.MustCompile(`ARGV\[(\d+)\]`)
	groupLoop = regexp.MustCompile(`for i = (\d+), #ARGV, (\d+) do`)
)

var words = map[string]int{"three": 3, "seven": 7, "eight": 8}

func readHeader(t *testing.T, source string) header {
	t.Helper()
	var h header
	section := ""
	for line := range strings.Lines(source) {
		if !strings.HasPrefix(line, "--") {
			continue
		}
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), includeMark); ok {
			h.includes = append(h.includes, name)
		}
		h.returns = h.returns || strings.HasPrefix(line, "-- RETURNS ")
		if m := groupLine.FindStringSubmatch(line); m != nil {
			if h.group = words[m[1]]; h.group == 0 {
				t.Errorf("how many is %q?", m[1])
			}
		}
		m := slotLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if strings.TrimSpace(m[1]) != "" {
			section = m[1]
		}
		n, _ := strconv.Atoi(m[2])
		if section == "KEYS" {
			h.keys = append(h.keys, n)
		} else {
			h.args = append(h.args, n)
		}
	}
	return h
}

func numbersIn(re *regexp.Regexp, text string) []int {
	var out []int
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func upTo(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i+1)
	}
	return out
}

// A header names every slot that the expanded body uses, in order and without a
// gap, and no other. All have KEYS 1 meta and ARGV 1 base, used or not.
func TestHeadersNameTheSlotsThatBodiesUse(t *testing.T) {
	for name, s := range library() {
		t.Run(name, func(t *testing.T) {
			source, err := fs.ReadFile(sources, "scripts/"+name+".lua")
			if err != nil {
				t.Fatal(err)
			}
			h := readHeader(t, string(source))
			if !h.returns {
				t.Error("the header does not say what it RETURNS")
			}
			if !strings.HasPrefix(string(source), "-- "+name+".lua: ") {
				t.Error("the header does not begin with the script's name and a sentence")
			}
			if diff := cmp.Diff(upTo(len(h.keys)), h.keys); diff != "" || len(h.keys) == 0 {
				t.Errorf("KEYS in the header (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(upTo(len(h.args)), h.args); diff != "" || len(h.args) == 0 {
				t.Errorf("ARGV in the header (-want +got):\n%s", diff)
			}
			usedKeys := slices.Compact(slices.Sorted(slices.Values(append(numbersIn(usedKey, s.text), 1))))
			if diff := cmp.Diff(h.keys, usedKeys); diff != "" {
				t.Errorf("KEYS (-header +body):\n%s", diff)
			}
			usedArgs := slices.Compact(slices.Sorted(slices.Values(append(numbersIn(usedArg, s.text), 1))))
			if diff := cmp.Diff(h.args, usedArgs); diff != "" {
				t.Errorf("ARGV (-header +body):\n%s", diff)
			}
			for _, m := range groupLoop.FindAllStringSubmatch(s.text, -1) {
				if want := fmt.Sprintf("for i = %d, #ARGV, %d do", len(h.args)+1, h.group); m[0] != want {
					t.Errorf("the body says %q and the header means %q", m[0], want)
				}
			}
			if loops := groupLoop.MatchString(s.text); loops != (h.group > 0) {
				t.Errorf("repeated arguments: header %t, body %t", h.group > 0, loops)
			}
		})
	}
}

var (
	definition = regexp.MustCompile(`(?m)^local (?:function )?([\w, ]+)`)
	ownName    = regexp.MustCompile(`\w+`)
)

// defines lists the names at the top level of a fragment.
func defines(source string) []string {
	var names []string
	for _, m := range definition.FindAllStringSubmatch(source, -1) {
		names = append(names, ownName.FindAllString(m[1], -1)...)
	}
	return names
}

// nestedInclude is an include in a fragment.
var nestedInclude = regexp.MustCompile(`(?m)^\s*-- include (\w+)$`)

func TestEveryIncludeIsUsed(t *testing.T) {
	used := map[string]bool{}
	for name := range library() {
		source, err := fs.ReadFile(sources, "scripts/"+name+".lua")
		if err != nil {
			t.Fatal(err)
		}
		for _, include := range readHeader(t, string(source)).includes {
			used[include] = true
			fragment, err := fs.ReadFile(sources, "scripts/include/"+include+".lua")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for _, m := range nestedInclude.FindAllStringSubmatch(string(fragment), -1) {
				used[m[1]] = true
			}
			rest := strings.Replace(library()[name].text, code(string(fragment)), "", 1)
			if needed := slices.ContainsFunc(defines(string(fragment)), func(word string) bool {
				return regexp.MustCompile(`\b` + word + `\b`).MatchString(rest)
			}); !needed && include != "ensure_meta" { // which only acts
				t.Errorf("%s includes %s and uses nothing of it", name, include)
			}
		}
	}
	fragments, err := fs.Glob(sources, "scripts/include/*.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range fragments {
		if name := strings.TrimSuffix(path.Base(file), ".lua"); !used[name] {
			t.Errorf("no script includes %s", name)
		}
	}
}

// code is source as expand leaves it.
func code(source string) string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		if trimmed := strings.TrimSpace(line); trimmed != "" && !strings.HasPrefix(trimmed, "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// The embedded Redis has none of these, and the real one loses digits or fails
// with them.
func TestScriptsKeepToWhatBothServersHave(t *testing.T) {
	for name, s := range library() {
		for _, word := range []string{"cmsgpack", "struct.", "bit.", "KEYS *", "'KEYS'", "tostring(", "goto "} {
			if strings.Contains(s.text, word) {
				t.Errorf("%s uses %s", name, word)
			}
		}
	}
}

func TestEveryFunctionCallsAScriptThatExists(t *testing.T) {
	for name := range library() {
		if !scriptIsCalled(t, name) {
			t.Errorf("no function calls the script %s", name)
		}
	}
}

func scriptIsCalled(t *testing.T, name string) bool {
	t.Helper()
	for _, file := range []string{"add.go", "settle.go", "locks.go", "admin.go", "read.go", "report.go", "repeat.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), `script: "`+name+`"`) || strings.Contains(string(source), `script:  "`+name+`"`) {
			return true
		}
	}
	return false
}
