package inject

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tandemq/tandem/internal/redistest"
)

// SmallDisk is a redis-server whose files are on a file system of their own.
type SmallDisk struct {
	*redistest.Instance
}

// NewSmallDisk starts a server on a file system of so many MiB. That takes root.
func NewSmallDisk(tb testing.TB, mebibytes int, config ...string) *SmallDisk {
	tb.Helper()
	dir := tb.TempDir()
	err := syscall.Mount("tandem", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		denied(tb, "mounting a small disk", err)
	}
	if err != nil {
		tb.Fatalf("inject: mount a small disk: %v", err)
	}
	tb.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			tb.Errorf("inject: unmount the small disk: %v", err)
		}
	})
	return &SmallDisk{Instance: redistest.Own(tb, redistest.Options{Dir: dir, Config: config})}
}

// Full is a fault: for a while there is no room for another byte. A server that
// syncs always ends itself; it is started again when there is room.
func (s *SmallDisk) Full(lasting Span) Fault {
	return Fault{Name: "disk full", Do: func(ctx context.Context, r *rand.Rand) error {
		filler := filepath.Join(s.Dir(), "filler")
		err := fill(ctx, filler)
		if err == nil {
			err = lastOrExit(ctx, s.Instance, lasting.draw(r))
		}
		return errors.Join(err, os.Remove(filler), revive(ctx, s.Instance))
	}}
}

// fill writes until there is no room: big pieces first, then single bytes.
func fill(ctx context.Context, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer file.Close()
	for piece := make([]byte, 1<<16); ctx.Err() == nil; {
		_, err := file.Write(piece)
		switch {
		case err == nil:
		case !errors.Is(err, syscall.ENOSPC):
			return fmt.Errorf("fill the disk: %w", err)
		case len(piece) == 1:
			return nil
		default:
			piece = piece[:len(piece)/2]
		}
	}
	return context.Cause(ctx)
}
