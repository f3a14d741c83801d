package mutants

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing/fstest"
)

// planted is the file as the mutant wants it.
func (m *Mutant) planted(tree string) (path, text string, err error) {
	path = filepath.Join(tree, m.File)
	source, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("mutant %q: %w", m.Name, err)
	}
	if n := strings.Count(string(source), m.Old); n != 1 {
		return "", "", fmt.Errorf("mutant %q: its text is %d times in %s, want once:\n%s", m.Name, n, m.File, m.Old)
	}
	return path, strings.Replace(string(source), m.Old, m.New, 1), nil
}

// Build builds the subject with the bug in it, in dir, and returns it and the
// scripts that it has. tree is where internal/jobs is.
func (m *Mutant) Build(tree, dir string) (subject string, scripts fs.FS, err error) {
	path, text, err := m.planted(tree)
	if err != nil {
		return "", nil, err
	}
	instead := filepath.Join(dir, "mutant"+filepath.Ext(path))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: instead}})
	if err != nil {
		return "", nil, err
	}
	plan := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(instead, []byte(text), 0o644); err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(plan, overlay, 0o644); err != nil {
		return "", nil, err
	}
	subject = filepath.Join(dir, "subject")
	build := exec.Command("go", "build", "-overlay", plan, "-o", subject, "github.com/tandemq/tandem/proof/subject")
	if said, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("mutant %q does not build: %w\n%s", m.Name, err, said)
	}
	scripts, err = m.scripts(tree, text)
	return subject, scripts, err
}

// scripts are the tree's, with the mutant's own in place.
func (m *Mutant) scripts(tree, text string) (fs.FS, error) {
	const dir = "internal/broker/scripts"
	all := fstest.MapFS{}
	root := os.DirFS(filepath.Join(tree, dir))
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := fs.ReadFile(root, name)
		if dir+"/"+name == m.File {
			source = []byte(text)
		}
		all[name] = &fstest.MapFile{Data: source}
		return err
	})
	return all, err
}

// Plantable says why the mutant cannot be planted, or nil.
func (m *Mutant) Plantable(tree string) error {
	_, _, err := m.planted(tree)
	return err
}
