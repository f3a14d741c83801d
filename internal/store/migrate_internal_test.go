package store

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestAFailingMigrationLeavesNothingBehind(t *testing.T) {
	ctx := t.Context()
	db, err := openSQLite(ctx, Options{URL: "file:" + filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files := fstest.MapFS{
		"0001_one.sql": file("CREATE TABLE one (id TEXT)"),
		"0002_two.sql": file("CREATE TABLE two (id TEXT); INSERT INTO nowhere VALUES (1)"),
	}
	if err := migrate(ctx, db, files, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "0002_two.sql") {
		t.Fatalf("error %v, want one that names the file", err)
	}
	var tables int
	err = db.Read.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('one', 'two')").Scan(&tables)
	if err != nil || tables != 1 {
		t.Errorf("%d tables, %v; want only that of the first migration", tables, err)
	}

	files["0002_two.sql"] = file("CREATE TABLE two (id TEXT)")
	if err := migrate(ctx, db, files, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("a corrected migration was refused: %v", err)
	}
}

func TestMigrationFilesAreNumberedWithoutGaps(t *testing.T) {
	tests := []struct {
		name    string
		files   fstest.MapFS
		problem string
	}{
		{"gap", fstest.MapFS{"0001_a.sql": file(""), "0003_c.sql": file("")}, "should have number 0002"},
		{"twice", fstest.MapFS{"0001_a.sql": file(""), "0001_b.sql": file("")}, "should have number 0002"},
		{"name", fstest.MapFS{"first.sql": file("")}, "is not named like"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := readMigrations(test.files); err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error %v, want one that says %q", err, test.problem)
			}
		})
	}
}
