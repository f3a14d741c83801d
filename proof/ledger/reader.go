package ledger

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ReadDir yields the entries of all ledgers in a folder, file by file: in order
// within a process, in no order between them. It ends with the first error.
func ReadDir(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		files, err := filepath.Glob(filepath.Join(dir, "*.ledger"))
		if err != nil {
			yield(Entry{}, err)
			return
		}
		slices.Sort(files)
		for _, file := range files {
			if !readFile(file, yield) {
				return
			}
		}
	}
}

func readFile(name string, yield func(Entry, error) bool) bool {
	file, err := os.Open(name)
	if err != nil {
		return yield(Entry{}, err)
	}
	defer file.Close()
	for e, err := range Read(file) {
		if err != nil {
			yield(e, fmt.Errorf("%s: %w", name, err))
			return false
		}
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// Read yields the entries of one ledger. A last line without an end was torn by
// the death of its writer and is left out; anything else that does not parse is
// an error.
func Read(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lines := bufio.NewReaderSize(r, 1<<16)
		writer := 0
		for {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				return
			}
			var e Entry
			if err == nil {
				e, err = Parse(strings.TrimSuffix(line, "\n"))
			}
			if writer == 0 {
				writer = e.Pid
			}
			if e.Kind != Process {
				e.Pid = writer
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
