package store

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// millis is how a time is stored. The zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the time that was stored, in UTC; 0 is the zero time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func fromNullMillis(ms sql.NullInt64) time.Time { return fromMillis(ms.Int64) }

// clean makes a text that PostgreSQL accepts: valid UTF-8 without NUL, and no
// longer than limit bytes. Error messages come from anywhere.
func clean(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}

// placeholders is "($1, $2), ($3, $4)" for two rows of two columns.
func placeholders(rows, columns int) string {
	var b strings.Builder
	for n := range rows * columns {
		switch {
		case n == 0:
			b.WriteString("($")
		case n%columns == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(n + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// isDataError reports that the database understood the statement and refuses
// its values: sending them again cannot help.
func isDataError(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		class := failure.Code[:min(2, len(failure.Code))]
		return class == "22" || class == "23"
	}
	if failure, ok := errors.AsType[*sqlite.Error](err); ok {
		switch failure.Code() & 0xff {
		case sqlitelib.SQLITE_CONSTRAINT, sqlitelib.SQLITE_MISMATCH, sqlitelib.SQLITE_TOOBIG:
			return true
		}
	}
	return false
}
