package boot

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestOnlyWhatCannotBeWrittenIsGivenBack(t *testing.T) {
	const program = "/app/worker"
	tests := map[string]bool{
		"00400000-01a08000 r-xp 00000000 fe:00 9986059                            /app/worker":       true,
		"01a08000-0303a000 r--p 01608000 fe:00 9986059                            /app/worker":       true,
		"0303a000-03379000 rw-p 02c3a000 fe:00 9986059                            /app/worker":       false,
		"7f0000000000-7f0000001000 r--p 00000000 fe:00 7                          /lib/libc.so":      false,
		"7f0000000000-7f0000001000 r--p 00000000 fe:00 7                          /other/app/worker": false,
		"c000000000-c004000000 ---p 00000000 00:00 0 ":                                               false,
		"7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0                          [vdso]":            false,
		"": false,
	}
	for line, want := range tests {
		if _, got := readOnlySegment(line, program); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	if s, _ := readOnlySegment("00400000-01a08000 r-xp 0 fe:00 9 /app/worker", program); s != (segment{0x400000, 0x1a08000}) {
		t.Errorf("%+v", s)
	}
}

func TestAProgramThatHasSettledGoesOn(t *testing.T) {
	segments, err := readOnlySegments()
	if err != nil || len(segments) < 2 {
		t.Fatalf("%d segments: %v", len(segments), err)
	}
	Settle()
	// Code and constants are there as before, those of a stack's names included.
	if stack := debug.Stack(); len(stack) == 0 || os.Getpid() == 0 {
		t.Error("no stack")
	}
}
