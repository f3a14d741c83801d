// Package render encodes rows as files: CSV, XLSX, PDF, JSON and NDJSON.
//
// An encoder takes the typed values that package dataset yields and decides how
// each looks in its format. Numbers stay numbers, times are UTC, and nothing in
// a text cell is ever taken for a formula, for markup or for syntax.
//
//	        null     timestamp                  date         text
//	CSV     empty    2026-11-24T15:04:05.000Z   2026-11-24   guarded, quoted if need be
//	XLSX    empty    a date cell                a date cell  a string cell, up to 32,767 characters
//	PDF     –        2026-11-24 15:04:05        2026-11-24   wrapped
//	JSON    null     2026-11-24T15:04:05.000Z   2026-11-24   escaped
//
// Only cmd/worker links this package, with its heavy libraries.
package render

import (
	"fmt"
	"io"

	"github.com/tandemq/tandem/internal/export"
)

// Options change how files look. The zero value is fine.
type Options struct {
	// CSVByteOrderMark starts CSV files with the mark by which old versions of
	// Excel recognise UTF-8. Other readers may take it for a part of the first
	// heading.
	CSVByteOrderMark bool
	// SheetRows is how many rows, the heading included, a sheet of an XLSX
	// file takes before another one is begun; 0 is Excel's limit of 1,048,576.
	SheetRows int
	// TempDir is where XLSX sheets grow; empty is the system's.
	TempDir string
	// Fonts replaces the fonts of PDF files, which know Latin, Greek,
	// Cyrillic, Armenian and Georgian letters; the zero value keeps them.
	Fonts Fonts
}

// Fonts are two TrueType files. Letters that a font lacks show as �.
type Fonts struct{ Regular, Bold []byte }

// Encoders returns the encoder of each format.
func Encoders(o Options) export.NewEncoder {
	return func(f export.Format, w io.Writer, sheet export.Sheet) (export.Encoder, error) {
		switch f {
		case export.CSV:
			return newCSV(w, sheet, o.CSVByteOrderMark), nil
		case export.XLSX:
			return newXLSX(w, sheet, o)
		case export.PDF:
			return newPDF(w, sheet, o.Fonts)
		case export.JSON:
			return newJSON(w, sheet, jsonArray), nil
		case export.NDJSON:
			return newJSON(w, sheet, jsonLines), nil
		default:
			return nil, fmt.Errorf("no encoder for the format %q", f)
		}
	}
}
