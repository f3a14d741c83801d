package peers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/task"
)

// orders is what one producer adds. All jobs succeed, in one line without
// priorities: that is what the three libraries have in common.
type orders struct {
	name     string
	n        int
	rate     float64 // jobs per second; 0 is as fast as it goes
	parallel int     // adds under way at a time
	made     bool    // ids are the library's, not the client's
	mix      task.Mix
}

// common are the flags that all producers have.
func (o orders) common() []string {
	flags := []string{
		"--rate=" + strconv.FormatFloat(o.rate, 'f', -1, 64), "--parallel=" + strconv.Itoa(max(1, o.parallel)),
	}
	if o.made {
		flags = append(flags, "--made")
	}
	return flags
}

// drawn are the flags of the subject, which draws the jobs itself.
func (o orders) drawn() []string {
	return []string{
		"-unranked", "-n", strconv.Itoa(o.n), "-name", o.name, "-seed", strconv.FormatUint(*seed, 10),
		"-work", o.mix.Work.String(), "-long", strconv.Itoa(o.mix.Long), "-long-for", o.mix.LongFor.String(),
	}
}

// fromFile draws the jobs into a file, for producers that cannot draw.
func fromFile(t *testing.T, dir string, o orders) []string {
	t.Helper()
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	r := rand.New(rand.NewPCG(*seed, 0))
	for i := range o.n {
		must(t, lines.Encode(o.mix.Draw(r, fmt.Sprint(o.name, "-", i))))
	}
	file := filepath.Join(dir, o.name+".tasks")
	must(t, os.WriteFile(file, text.Bytes(), 0o644))
	return append(o.common(), "--tasks="+file)
}

// taking is jobs that all work for so long.
func taking(d time.Duration) task.Mix { return task.Mix{Long: 1000, LongFor: d} }
