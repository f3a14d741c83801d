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
	// Take is told of bytes that the encoder keeps on the disk outside of the
	// file, before it does; its error ends the export. Nil lets it have them.
	Take func(bytes int64) error
}

// NewEncoder starts a file; package render has one for every Format.
type NewEncoder func(f Format, w io.Writer, sheet Sheet) (Encoder, error)

// Why an export cannot be made. They fail the job at once, with words for the
// user who has to ask for less, or for another format.
var (
	ErrTooManyRows = errors.New("too many rows")
	ErrTooLarge    = errors.New("file is too large")
	ErrTextTooLong = errors.New("text is too long for the format")
)

func tooManyRows(f Format, rows, limit int64) error {
	return jobs.Unrecoverable(fmt.Errorf("%w: the query selects %d rows and a %s file takes %d; "+
		"narrow it with where or limit, or choose csv, xlsx, json or ndjson", ErrTooManyRows, rows, f, limit))
}

// space is what is left of an export's share of the disk.
type space struct{ left int64 }

func (s *space) take(bytes int64) error {
	if s.left -= bytes; s.left < 0 {
		return jobs.Unrecoverable(fmt.Errorf("%w: narrow the query with where, limit or fewer columns", ErrTooLarge))
	}
	return nil
}

// limitedWriter refuses what there is no space for.
type limitedWriter struct {
	w     io.Writer
	space *space
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if err := l.space.take(int64(len(p))); err != nil {
		return 0, err
	}
	return l.w.Write(p)
}
