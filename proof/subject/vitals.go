package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tandemq/tandem/proof/ledger"
)

// watchVitals writes down what a leak would show in, until ended.
func watchVitals(book *ledger.Writer, ended <-chan struct{}, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			book.Add(vitals())
		}
	}
}

// vitals are this process's goroutines, descriptors and resident bytes; -1 where
// /proc does not tell.
func vitals() ledger.Entry {
	e := ledger.Entry{Kind: ledger.Vitals, N: int64(runtime.NumGoroutine()), Until: -1, Bytes: -1}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.Until = int64(len(fds))
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if words := strings.Fields(string(text)); len(words) > 1 {
			if pages, err := strconv.ParseInt(words[1], 10, 64); err == nil {
				e.Bytes = pages * int64(os.Getpagesize())
			}
		}
	}
	return e
}
