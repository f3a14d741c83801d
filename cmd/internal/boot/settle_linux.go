package boot

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// Settle gives back the memory that only starting has needed: garbage, and the
// pages of the program's file that were read for it. Linux maps sixteen pages for
// each that is touched, and the first moments of a program touch a part of
// everything that is linked; what is used later is mapped again when it is, from
// the same file. Call it once, when the program is ready. It is no failure when
// nothing can be given back.
func Settle() {
	debug.FreeOSMemory()
	segments, err := readOnlySegments()
	if err != nil {
		return
	}
	for _, s := range segments {
		// Pages that are read only, and the same as in the file, lose nothing.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, s.begin, s.end-s.begin, syscall.MADV_DONTNEED)
	}
}

// segment is a part of the address space.
type segment struct{ begin, end uintptr }

// readOnlySegments are the parts of the program's file that are mapped without
// the right to write: code and constants.
func readOnlySegments() ([]segment, error) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var found []segment
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if s, ok := readOnlySegment(lines.Text(), program); ok {
			found = append(found, s)
		}
	}
	return found, lines.Err()
}

// readOnlySegment reads a line of /proc/PID/maps, which tells addresses, rights,
// and behind three fields more the file.
func readOnlySegment(line, program string) (s segment, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || strings.Contains(fields[1], "w") || !strings.HasSuffix(line, " "+program) {
		return segment{}, false
	}
	n, err := fmt.Sscanf(fields[0], "%x-%x", &s.begin, &s.end)
	return s, err == nil && n == 2 && s.begin < s.end
}
