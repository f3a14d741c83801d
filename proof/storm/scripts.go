package storm

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// ScriptNames reads the queue's scripts as its broker does and returns their
// names by the digest that EVALSHA has, so that a proxy knows what it carries.
func ScriptNames(files fs.FS) (map[string]string, error) {
	found, err := fs.Glob(files, "*.lua")
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no scripts in %v: %w", files, err)
	}
	names := map[string]string{}
	for _, file := range found {
		var b strings.Builder
		if err := expand(files, file, &b); err != nil {
			return nil, err
		}
		sum := sha1.Sum([]byte(b.String()))
		names[hex.EncodeToString(sum[:])] = strings.TrimSuffix(path.Base(file), ".lua")
	}
	return names, nil
}

// expand writes a script with its fragments in place and without comments.
func expand(files fs.FS, file string, b *strings.Builder) error {
	source, err := fs.ReadFile(files, file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(source)) {
		trimmed := strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(trimmed, "-- include "); ok {
			if err := expand(files, "include/"+name+".lua", b); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		} else if trimmed != "" && !strings.HasPrefix(trimmed, "--") {
			b.WriteString(line)
		}
	}
	return nil
}
