package inject

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// verdict is a test that only remembers how it was ended.
type verdict struct {
	testing.TB
	failed bool
}

func (*verdict) Helper()                 {}
func (*verdict) Name() string            { return "TestX" }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }
func (*verdict) Skipf(string, ...any)    {}

// What a machine does not allow is told: by a failure, or in the file that is
// named for it.
func TestWhatIsNotAllowedIsNotSkippedUnseen(t *testing.T) {
	for name, test := range map[string]struct {
		strict    string
		file      bool
		failed    bool
		inTheFile string
	}{
		"by a developer":           {},
		"where nobody would see":   {strict: "1", failed: true},
		"where a file tells of it": {strict: "1", file: true, inTheFile: "TestX: a thing is not allowed here: no root\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "skipped")
			t.Setenv("REDISTEST_STRICT", test.strict)
			t.Setenv("SKIPPED_FILE", "")
			if test.file {
				t.Setenv("SKIPPED_FILE", path)
			}
			var v verdict
			denied(&v, "a thing", errors.New("no\nroot"))
			if v.failed != test.failed {
				t.Errorf("failed %v, want %v", v.failed, test.failed)
			}
			text, err := os.ReadFile(path)
			if string(text) != test.inTheFile {
				t.Errorf("the file says %q (%v), want %q", text, err, test.inTheFile)
			}
		})
	}
}
