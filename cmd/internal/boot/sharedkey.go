package boot

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SharedKey returns the key in the file dir/name, which programs in development
// share when no key was configured. Whoever comes first makes it. It is
// readable by its owner only.
func SharedKey(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(dir, path); err != nil {
			return "", fmt.Errorf("make key: %w", err)
		}
		key, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	if text := strings.TrimSpace(string(key)); text != "" {
		return text, nil
	}
	return "", fmt.Errorf("read key: %s is empty", path)
}

// makeKey writes a key beside its place and links it there, which fails if
// another program was faster and never shows half a key.
func makeKey(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(dir, ".key-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(rand.Text() + rand.Text() + "\n")
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
