package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
)

// report is the run so far as text, for the terminal and for the page.
func (l *lab) report(took time.Duration) string {
	text := []string{l.head(took), l.verdict()}
	if missing := l.missingWords(); missing != "" {
		text = append(text, missing)
	}
	for _, s := range sections(l.options) {
		if table := l.tally.Markdown(s, tally.Goals()); table != "" {
			text = append(text, table)
		}
	}
	return strings.Join(append(text, l.behind()), "\n\n") + "\n"
}

// missingWords says what a reader would look for in vain.
func (l *lab) missingWords() string {
	var lines []string
	if len(l.waiting) > 0 {
		lines = append(lines, "- **the run has not ended**; still to come: `"+strings.Join(l.waiting, "`, `")+"`")
	}
	for _, s := range l.shortfalls {
		lines = append(lines, "- "+s)
	}
	if len(lines) == 0 {
		return ""
	}
	return "What is missing:\n" + strings.Join(lines, "\n")
}

// verdict says how many goals are met, and names those that are not.
func (l *lab) verdict() string {
	measured, missed := l.tally.Judged(tally.Goals())
	lines := []string{fmt.Sprintf("Of %d goals that were measured, %d are met.", measured, measured-len(missed))}
	for _, j := range missed {
		lines = append(lines, fmt.Sprintf("- `%s`, %s: %s", j.Workload, j.Metric, j.Verdict()))
	}
	return strings.Join(lines, "\n")
}

// behind lists where a peer is better.
func (l *lab) behind() string {
	lines := []string{"### Where a peer is ahead\n"}
	for _, s := range sections(l.options) {
		for _, row := range l.tally.Behind(s) {
			lines = append(lines, "- "+row)
		}
	}
	if len(lines) == 1 {
		lines = append(lines, "In no row.")
	}
	return strings.Join(lines, "\n")
}

// head says when and on what the run was.
func (l *lab) head(took time.Duration) string {
	return l.warning() + fmt.Sprintf(`%s, %d rounds (idle at most 3), systems alternating; it took %s. Values are medians, with the lowest and the
highest in parentheses; × is Tandem's median by the other's.

%s`, l.begun.UTC().Format("2006-01-02"), l.options.rounds, took.Round(time.Second), l.facts)
}

// gatherFacts asks for what the numbers depend on.
func (l *lab) gatherFacts() (string, error) {
	var failure error
	note := func(text string, err error) string {
		if err != nil && failure == nil {
			failure = err
		}
		return text
	}
	redis := note(output("redis-server", "--version"))
	node := note(output("node", "--version"))
	processor := note(cpuModel())
	bullmq := note(l.npmVersion("bullmq"))
	asynq, goRedis := moduleVersion("github.com/hibiken/asynq"), moduleVersion("github.com/redis/go-redis/v9")
	return fmt.Sprintf(`- %s, %d cores%s; %s
- %s; for all the same: %s
- Tandem with %s and go-redis %s; BullMQ %s with Node %s; asynq %s with the same go-redis
`,
		processor, runtime.NumCPU(), l.pinned(), runtime.GOOS+"/"+runtime.GOARCH,
		redis, "`"+strings.Join(server.Lines(server.Off), "`, `")+"`",
		runtime.Version(), goRedis, bullmq, node, asynq), failure
}

// warning is for a page that nobody should keep.
func (l *lab) warning() string {
	if l.options.quick {
		return "**A quick run: its numbers mean nothing.**\n\n"
	}
	return ""
}

func (l *lab) pinned() string {
	if l.options.pin {
		return " (Redis on one, everybody else on the other)"
	}
	return ""
}

func output(name string, args ...string) (string, error) {
	text, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	words, _, _ := strings.Cut(strings.TrimSpace(string(text)), " sha=")
	return words, nil
}

func cpuModel() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(text) {
		if name, value, _ := bytes.Cut(line, []byte(":")); strings.TrimSpace(string(name)) == "model name" {
			return strings.TrimSpace(string(value)), nil
		}
	}
	return "unknown processor", err
}

func (l *lab) npmVersion(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(l.modules, name, "package.json"))
	if err != nil {
		return "", err
	}
	var manifest struct{ Version string }
	return manifest.Version, unmarshal(text, &manifest)
}

func unmarshal(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read a manifest: %w", err)
	}
	return nil
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}

// checkPage finds out before anything is measured whether a page can take it.
func checkPage(path string) error {
	if path == "" {
		return nil
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := tally.Replace(string(page), ""); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writePage puts the report between the marks of a page.
func writePage(path, report string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := tally.Replace(string(page), report)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
