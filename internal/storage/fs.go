package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// FS keeps files below a directory. It reaches them through an os.Root, so no
// key and no symbolic link leads out of it. Two processes may share one.
//
//	exports/3f2a….csv      a file
//	.tmp/W5L3…             a file that is being written; a crash leaves it, and
//	                       OpenFS removes those that are older than a day
type FS struct {
	root  *os.Root
	links *links
}

var _ Store = (*FS)(nil)

const (
	tempDir    = ".tmp"
	tempMaxAge = 24 * time.Hour
	tempSweep  = 1000 // entries looked at by one OpenFS
)

// OpenFS makes the directory if it is not there. Close the result.
func OpenFS(dir string, o Options) (*FS, error) {
	links, err := newLinks(o)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	f := &FS{root: root, links: links}
	if err := f.prepare(o.now()); err != nil {
		return nil, errors.Join(fmt.Errorf("storage: %w", err), root.Close())
	}
	return f, nil
}

func (f *FS) prepare(now time.Time) error {
	if err := f.root.MkdirAll(tempDir, 0o750); err != nil {
		return err
	}
	dir, err := f.root.Open(tempDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(tempSweep)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, entry := range entries {
		if err := f.removeStale(entry, now); err != nil {
			return err
		}
	}
	return nil
}

func (f *FS) removeStale(entry fs.DirEntry, now time.Time) error {
	info, err := entry.Info()
	if err == nil && now.Sub(info.ModTime()) > tempMaxAge {
		err = f.root.Remove(path.Join(tempDir, entry.Name()))
	}
	return ignoreMissing(err) // another process may have been faster
}

// Close releases the directory.
func (f *FS) Close() error { return f.root.Close() }

// Put writes a temporary file, brings it to the disk, and gives it its name.
func (f *FS) Put(ctx context.Context, key string, r io.Reader, _ Meta) (Object, error) {
	if err := checkKey(key); err != nil {
		return Object{}, err
	}
	temp := path.Join(tempDir, rand.Text())
	object, err := f.write(ctx, temp, r)
	if err == nil {
		err = f.publish(temp, key)
	}
	if err != nil {
		return Object{}, errors.Join(fmt.Errorf("store %s: %w", key, err), ignoreMissing(f.root.Remove(temp)))
	}
	return object, nil
}

func (f *FS) write(ctx context.Context, temp string, r io.Reader) (Object, error) {
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return Object{}, err
	}
	content := newMeter(ctx, r)
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	return content.object(), errors.Join(err, file.Close())
}

// publish gives a written file its name. A name is safe once its directory is
// on the disk as well.
func (f *FS) publish(temp, key string) error {
	dir := path.Dir(key)
	if err := f.root.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := f.root.Rename(temp, key); err != nil {
		return err
	}
	for ; ; dir = path.Dir(dir) {
		if err := f.syncDir(dir); err != nil || dir == "." {
			return err
		}
	}
}

func (f *FS) syncDir(dir string) error {
	handle, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}

// Open implements Store.
func (f *FS) Open(_ context.Context, key string) (io.ReadSeekCloser, Info, error) {
	if err := checkKey(key); err != nil {
		return nil, Info{}, err
	}
	file, err := f.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Info{}, fmt.Errorf("open %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, Info{}, fmt.Errorf("open %s: %w", key, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		return nil, Info{}, errors.Join(fmt.Errorf("open %s: %w", key, err), file.Close())
	}
	return file, Info{Bytes: info.Size(), Modified: info.ModTime().UTC()}, nil
}

// Delete implements Store.
func (f *FS) Delete(_ context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := ignoreMissing(f.root.Remove(key)); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// SignedURL is the API's own address of the file, with a Signer's signature.
func (f *FS) SignedURL(_ context.Context, link Link) (string, error) { return f.links.sign(link) }

// Check writes a small file and removes it.
func (f *FS) Check(context.Context) error {
	probe := path.Join(tempDir, rand.Text())
	if err := f.root.WriteFile(probe, []byte("probe"), 0o600); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if err := f.root.Remove(probe); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
