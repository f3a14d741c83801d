package export

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
)

// Encoder writes rows as one file.
type Encoder interface {
	// Write adds a row, a value per column; see dataset.Type for the values.
	// It keeps nothing of the slice.
	Write(row []any) error
	// Finish completes the file.
	Finish() error
	// Close releases what the encoder holds, finished or not.
	Close() error
}

// Sheet describes what is encoded.
type Sheet struct {
	Title   string
	Columns []dataset.Column
	Total   int64     // rows to come
	Made    time.Time // when the file is made
}

// NewEncoder starts a file; package render has one for every Format.
type NewEncoder func(f Format, w io.Writer, sheet Sheet) (Encoder, error)

// Why an export cannot be made. Both fail the job at once, with words for the
// user who has to ask for less.
var (
	ErrTooManyRows = errors.New("too many rows")
	ErrTooLarge    = errors.New("file is too large")
)

func tooManyRows(f Format, rows, limit int64) error {
	return jobs.Unrecoverable(fmt.Errorf("%w: the query selects %d rows and a %s file takes %d; "+
		"narrow it with where or limit, or choose csv, xlsx, json or ndjson", ErrTooManyRows, rows, f, limit))
}

// limitedWriter refuses what would make a file larger than its limit.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, jobs.Unrecoverable(fmt.Errorf("%w: narrow the query with where, limit or fewer columns", ErrTooLarge))
	}
	return l.w.Write(p)
}
