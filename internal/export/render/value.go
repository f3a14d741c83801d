package render

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/tandemq/tandem/internal/dataset"
)

// timeLayout has milliseconds always, so that texts sort as the times do.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// appendPlain writes a value as text, without quotes or escapes; nil is
// nothing. The error is a value that dataset.Type does not list.
func appendPlain(to []byte, column dataset.Column, value any, timestamp string) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return to, nil
	case string:
		return append(to, v...), nil
	case int64:
		return strconv.AppendInt(to, v, 10), nil
	case float64:
		return appendFloat(to, v), nil
	case json.Number:
		return append(to, v...), nil
	case bool:
		return strconv.AppendBool(to, v), nil
	case time.Time:
		if column.Type == dataset.Date {
			return v.AppendFormat(to, time.DateOnly), nil
		}
		return v.UTC().AppendFormat(to, timestamp), nil
	default:
		return to, fmt.Errorf("column %s: cannot write a %T", column.Name, value)
	}
}

// appendFloat writes what a person would: no exponent for everyday sizes.
func appendFloat(to []byte, v float64) []byte {
	if size := max(v, -v); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(to, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(to, v, 'f', -1, 64)
}
