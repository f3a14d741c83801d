//go:build unix

package workerapp

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a directory for this process until it ends or closes it; false when
// another one has it.
func lock(dir *os.File) (bool, error) {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
