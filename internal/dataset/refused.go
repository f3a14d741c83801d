package dataset

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRefused says that the database does not compare a value of the query with its
// column, or cannot work out a value of the SELECT. A retry cannot help.
var ErrRefused = errors.New("the database refuses a value")

// meaning tells a refused value from a database that is in trouble.
func meaning(err error) error {
	if isRefusal(err) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// isRefusal knows PostgreSQL's data exceptions, its two codes for types that do
// not go together, and its driver, which refuses to send what the type of a
// parameter cannot hold and has no error of its own for it.
func isRefusal(err error) bool {
	if failure, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		code := failure.SQLState()
		return strings.HasPrefix(code, "22") || code == "42804" || code == "42883"
	}
	return err != nil && strings.Contains(err.Error(), "failed to encode args[")
}
