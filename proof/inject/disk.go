package inject

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tandemq/tandem/internal/redistest"
)

//go:embed shim/disk.c
var diskSource []byte

// Disk is a redis-server on a disk that can lose power.
type Disk struct {
	*redistest.Instance
	board *board
}

// board is the memory that the server's shim shares with us. Keep in step with
// shim/disk.c.
type board struct {
	syncError   atomic.Uint64 // errno
	syncDelayUs atomic.Uint64
	writeError  atomic.Uint64 // errno
	syncs       atomic.Uint64
	files       [boardFiles]struct {
		inode atomic.Uint64
		size  atomic.Uint64 // bytes that are on disk
	}
}

const boardFiles = 4096

// NewDisk starts a server for this test whose syncs are watched. The config
// decides what the server keeps, for instance "appendonly yes".
func NewDisk(tb testing.TB, config ...string) *Disk {
	tb.Helper()
	return NewDiskOn(tb, redistest.Options{Config: config})
}

// NewDiskOn is NewDisk with options for the server.
func NewDiskOn(tb testing.TB, o redistest.Options) *Disk {
	tb.Helper()
	dir := tb.TempDir()
	shim, path := filepath.Join(dir, "disk.so"), filepath.Join(dir, "board")
	compile(tb, shim)
	b, err := mapBoard(tb, path)
	if err != nil {
		tb.Fatalf("inject: board of the disk: %v", err)
	}
	o.Env = append(o.Env, "LD_PRELOAD="+shim, "TANDEM_DISK_BOARD="+path)
	return &Disk{Instance: redistest.Own(tb, o), board: b}
}

// compile builds the shim with the machine's C compiler.
func compile(tb testing.TB, shim string) {
	tb.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(tb, "a disk that loses power", "gcc")
	}
	source := shim + ".c"
	if err := os.WriteFile(source, diskSource, 0o600); err != nil {
		tb.Fatalf("inject: %v", err)
	}
	out, err := exec.Command("gcc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", shim, source, "-ldl").CombinedOutput()
	if err != nil {
		tb.Fatalf("inject: compile the shim: %v\n%s", err, out)
	}
}

func mapBoard(tb testing.TB, path string) (*board, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size := int(unsafe.Sizeof(board{}))
	if err := file.Truncate(int64(size)); err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() {
		if err := syscall.Munmap(memory); err != nil {
			tb.Errorf("inject: unmap board: %v", err)
		}
	})
	return (*board)(unsafe.Pointer(&memory[0])), nil
}

// Syncs is how many syncs of the server have succeeded so far.
func (d *Disk) Syncs() uint64 { return d.board.syncs.Load() }

// PowerCut is a fault: the machine goes dark, and comes back at once with what
// was on disk. Whatever was written behind the last sync is gone, or a random
// part of it when torn says so, as it is up to the disk what it keeps.
func (d *Disk) PowerCut(torn bool) Fault {
	return Fault{Name: "power cut", Do: func(_ context.Context, r *rand.Rand) error {
		_, err := d.Cut(r, torn)
		return err
	}}
}

// Cut is PowerCut, and returns how many bytes were lost.
func (d *Disk) Cut(r *rand.Rand, torn bool) (lost int64, err error) {
	d.Kill()
	err = filepath.WalkDir(d.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		n, err := d.lose(path, r, torn)
		lost += n
		return err
	})
	if err != nil {
		return lost, fmt.Errorf("take away what was not synced: %w", err)
	}
	d.Restart()
	return lost, nil
}

// lose takes away from a file what a power cut would.
func (d *Disk) lose(path string, r *rand.Rand, torn bool) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	inode := info.Sys().(*syscall.Stat_t).Ino
	keep, known := d.board.synced(inode)
	if !known && r.IntN(2) == 0 {
		return info.Size(), os.Remove(path)
	}
	if torn && keep < info.Size() {
		keep += r.Int64N(info.Size() - keep)
	}
	if keep >= info.Size() {
		return 0, nil
	}
	d.board.cut(inode, keep)
	return info.Size() - keep, os.Truncate(path, keep)
}

// synced is how much of a file is on disk, and whether its name is.
func (b *board) synced(inode uint64) (size int64, known bool) {
	for i := range uint64(boardFiles) {
		switch entry := &b.files[(inode+i)%boardFiles]; entry.inode.Load() {
		case inode:
			return int64(entry.size.Load()), true
		case 0:
			return 0, false
		}
	}
	return 0, false
}

// cut notes that a file now ends there. A file without a note stays without.
func (b *board) cut(inode uint64, size int64) {
	for i := range uint64(boardFiles) {
		switch entry := &b.files[(inode+i)%boardFiles]; entry.inode.Load() {
		case inode:
			entry.size.Store(uint64(size))
			return
		case 0:
			return
		}
	}
}

// SlowSync is a fault: for a while, every sync takes so much longer.
func (d *Disk) SlowSync(each, lasting Span) Fault {
	return Fault{Name: "slow fsync", Do: func(ctx context.Context, r *rand.Rand) error {
		d.board.syncDelayUs.Store(uint64(each.draw(r).Microseconds()))
		defer d.board.syncDelayUs.Store(0)
		return last(ctx, lasting.draw(r))
	}}
}

// FailedSync is a fault: for a while, every sync fails with an I/O error. A
// server that syncs always ends itself rather than answer; it is started again.
func (d *Disk) FailedSync(lasting Span) Fault {
	return Fault{Name: "failing fsync", Do: func(ctx context.Context, r *rand.Rand) error {
		return d.failing(ctx, &d.board.syncError, syscall.EIO, lasting.draw(r))
	}}
}

// FailedWrite is a fault: for a while, every write to a file fails for want of
// space. A server that syncs always ends itself; it is started again.
func (d *Disk) FailedWrite(lasting Span) Fault {
	return Fault{Name: "failing writes", Do: func(ctx context.Context, r *rand.Rand) error {
		return d.failing(ctx, &d.board.writeError, syscall.ENOSPC, lasting.draw(r))
	}}
}

// failing lets an order stand for a while, or until the server has ended over
// it, and starts it again if it has.
func (d *Disk) failing(ctx context.Context, order *atomic.Uint64, code syscall.Errno, lasting time.Duration) error {
	order.Store(uint64(code))
	err := lastOrExit(ctx, d.Instance, lasting)
	order.Store(0)
	return errors.Join(err, revive(ctx, d.Instance))
}

// lastOrExit waits for d, or until the server has ended.
func lastOrExit(ctx context.Context, server *redistest.Instance, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-server.Exited():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
