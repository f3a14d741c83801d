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
}

// clockTick is the unit of times in /proc, the same on every Linux that Go runs on.
const clockTick = 10_000 // microseconds

// ProcessOf looks at a process by its id.
func ProcessOf(pid int) (Process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	return parseProcess(text)
}

// parseProcess reads /proc/PID/stat. The name, in parentheses, may contain
// anything; what counts comes after it.
func parseProcess(text []byte) (Process, error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system, pages = 11, 12, 21 // of proc(5), counted from the state
	if len(fields) <= pages {
		return Process{}, fmt.Errorf("read /proc/PID/stat: %q", text)
	}
	var values [3]float64
	for i, field := range []int{user, system, pages} {
		v, err := strconv.ParseFloat(string(fields[field]), 64)
		if err != nil {
			return Process{}, fmt.Errorf("read /proc/PID/stat: %w", err)
		}
		values[i] = v
	}
	return Process{CPUMicros: clockTick * (values[0] + values[1]), RSSBytes: values[2] * float64(os.Getpagesize())}, nil
}
