package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time of an entry that is written now.
func Now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(fmt.Sprintf("the monotonic clock cannot be read: %v", err)) // every Linux has it
	}
	return t.Nano() / 1000
}

// In is the time of an entry that will be written after d.
func In(d time.Duration) int64 { return Now() + d.Microseconds() }

// Writer appends entries to one file. It may be used by many goroutines. After a
// line could not be written it writes no more, and Close says why: a ledger with
// a hole would accuse the innocent.
type Writer struct {
	mu   sync.Mutex // guards the fields below
	file *os.File
	line []byte
	err  error
}

// Open makes the ledger of this process in a folder and writes its first entry.
func Open(dir, role string) (*Writer, error) {
	name := fmt.Sprintf("%s-%d-%d.ledger", role, os.Getpid(), Now())
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	w := &Writer{file: file}
	w.Add(Entry{Kind: Process, Pid: os.Getpid(), Text: role, Word: "start"})
	return w, nil
}

// Add writes an entry. Its time is now, unless it has one.
func (w *Writer) Add(e Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if e.At == 0 {
		e.At = Now()
	}
	w.line = e.appendTo(w.line[:0])
	if _, err := w.file.Write(w.line); err != nil {
		w.err = fmt.Errorf("write ledger: %w", err)
	}
}

// Err is why the writer has stopped writing, or nil.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close ends the file and tells whether all of it was written.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.err, w.file.Close())
}
