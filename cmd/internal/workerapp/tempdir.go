package workerapp

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// tempPattern names the directories in which workers make files. Each process has
// one of its own and holds a lock on it, which the kernel takes back however the
// process ends. A directory that can be locked is a dead worker's.
const tempPattern = "tandem-worker-*"

// tempDir is the directory of this process.
type tempDir struct {
	path string
	held *os.File // the lock
}

// openTempDir makes a directory below parent, once it has removed those that
// killed workers left there. What cannot be removed is logged.
func openTempDir(parent string, log *slog.Logger) (*tempDir, error) {
	left, err := filepath.Glob(filepath.Join(parent, tempPattern))
	if err != nil {
		return nil, fmt.Errorf("find temporary files: %w", err)
	}
	for _, path := range left {
		if err := removeDead(path); err != nil {
			log.Warn("cannot remove what an earlier worker left", slog.String("dir", path), slog.Any("error", err))
		}
	}
	for {
		dir, err := makeTempDir(parent)
		if err != nil || dir != nil {
			return dir, err
		}
	}
}

// makeTempDir returns nil when another worker, starting at the same moment, took
// the new directory for a dead one's before it was locked.
func makeTempDir(parent string) (*tempDir, error) {
	path, err := os.MkdirTemp(parent, tempPattern)
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	held, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	dir := &tempDir{path: path, held: held}
	// A file system without locks has nobody who would remove the directory.
	if mine, err := lock(held); err == nil && (!mine || !dir.isThere()) {
		return nil, held.Close()
	}
	return dir, nil
}

// isThere reports whether the path still leads to the directory that is held.
func (d *tempDir) isThere() bool {
	held, err := d.held.Stat()
	if err != nil {
		return false
	}
	found, err := os.Lstat(d.path)
	return err == nil && os.SameFile(held, found)
}

// close removes the directory with all that is in it.
func (d *tempDir) close() error { return errors.Join(os.RemoveAll(d.path), d.held.Close()) }

// removeDead removes a directory that no process holds. Others may be at it, and
// what is another user's, or no directory, is left to them.
func removeDead(path string) error {
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return nil
	}
	dir, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if dead, err := lock(dir); err != nil || !dead {
		return err
	}
	return os.RemoveAll(path)
}
