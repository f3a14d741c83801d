package server

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Process is what a process has spent, and the memory it has in RAM.
type Process struct {
	CPUMicros float64 // by the clock ticks of /proc, 10 ms each
	RSSBytes  float64
	// AnonymousBytes are the part of RSSBytes that is the process's own. The rest
	// is its program and other files, which the kernel reads again when it needs
	// the memory for something else.
	AnonymousBytes float64
}

// clockTick is the unit of times in /proc, the same on every Linux that Go runs on.
const clockTick = 10_000 // microseconds

// ProcessOf looks at a process by its id.
func ProcessOf(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return Process{}, err
	}
	var p Process
	if p.CPUMicros, err = parseStat(stat); err != nil {
		return Process{}, err
	}
	p.RSSBytes, p.AnonymousBytes, err = parseRollup(rollup)
	return p, err
}

// parseStat reads the times of /proc/PID/stat. The name, in parentheses, may
// contain anything; what counts comes after it.
func parseStat(text []byte) (micros float64, err error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12 // of proc(5), counted from the state
	if len(fields) <= system {
		return 0, fmt.Errorf("read /proc/PID/stat: %q", text)
	}
	for _, field := range []int{user, system} {
		ticks, err := strconv.ParseFloat(string(fields[field]), 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/PID/stat: %w", err)
		}
		micros += clockTick * ticks
	}
	return micros, nil
}

// parseRollup reads two of the lines of /proc/PID/smaps_rollup, "Rss: 1234 kB".
func parseRollup(text []byte) (rss, anonymous float64, err error) {
	targets := map[string]*float64{"Rss:": &rss, "Anonymous:": &anonymous}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || targets[string(fields[0])] == nil {
			continue
		}
		kib, err := strconv.ParseFloat(string(fields[1]), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read /proc/PID/smaps_rollup: %w", err)
		}
		*targets[string(fields[0])] = kib * 1024
		delete(targets, string(fields[0]))
	}
	if len(targets) > 0 {
		return 0, 0, fmt.Errorf("read /proc/PID/smaps_rollup: %q", text)
	}
	return rss, anonymous, nil
}
