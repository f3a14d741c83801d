package broker

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed scripts
var sources embed.FS

// script is a Lua script, its fragments put in.
type script struct {
	name string
	text string
	sha  string // what EVALSHA knows it by
}

// library holds every script by name. It never changes once made.
var library = sync.OnceValue(func() map[string]*script {
	scripts, err := readScripts(sources)
	if err != nil { // a fragment that a script names is missing: a mistake in the source
		panic(err)
	}
	return scripts
})

func readScripts(files fs.FS) (map[string]*script, error) {
	names, err := fs.Glob(files, "scripts/*.lua")
	if err != nil {
		return nil, err
	}
	scripts := make(map[string]*script, len(names))
	for _, file := range names {
		text, err := expand(files, file)
		if err != nil {
			return nil, err
		}
		sum := sha1.Sum([]byte(text))
		name := strings.TrimSuffix(path.Base(file), ".lua")
		scripts[name] = &script{name: name, text: text, sha: hex.EncodeToString(sum[:])}
	}
	return scripts, nil
}

const includeMark = "-- include "

// expand puts fragments in place of the lines that name them, and leaves out
// comments, which Redis would keep in memory.
func expand(files fs.FS, file string) (string, error) {
	source, err := fs.ReadFile(files, file)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(string(source)) {
		trimmed := strings.TrimSpace(line)
		name, isInclude := strings.CutPrefix(trimmed, includeMark)
		switch {
		case isInclude:
			fragment, err := expand(files, "scripts/include/"+name+".lua")
			if err != nil {
				return "", fmt.Errorf("%s: %w", file, err)
			}
			b.WriteString(fragment)
		case trimmed == "" || strings.HasPrefix(trimmed, "--"):
		default:
			b.WriteString(line)
		}
	}
	return b.String(), nil
}
