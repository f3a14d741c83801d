//go:build !unix

package workerapp

import (
	"errors"
	"os"
)

// lock cannot tell here whether a directory is a dead worker's.
func lock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
