package store

import "testing"

func TestCleanMakesTextThatEveryDatabaseTakes(t *testing.T) {
	tests := []struct {
		name, in string
		limit    int
		want     string
	}{
		{"plain", "plain", 10, "plain"},
		{"NUL", "a\x00b", 10, "ab"},
		{"not UTF-8", "a\xffb", 10, "ab"},
		{"too long", "plain", 2, "pl"},
		{"cut inside a character", "éé", 3, "é"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := clean(test.in, test.limit); got != test.want {
				t.Errorf("clean(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
			}
		})
	}
}

func TestPlaceholdersCountThroughRows(t *testing.T) {
	if got, want := placeholders(2, 3), "($1, $2, $3), ($4, $5, $6)"; got != want {
		t.Errorf("placeholders(2, 3) = %q, want %q", got, want)
	}
}
