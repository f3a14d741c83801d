package wire

import (
	"sync"

	"github.com/tandemq/tandem/internal/jobs"
)

// Decoder decodes jobs and remembers the options that many of them share: the
// jobs of one producer mostly have the same text there, and to read it is the
// dearest part of decoding a job. The zero value works, and may be used by many
// goroutines.
type Decoder struct {
	mu    sync.RWMutex
	known map[string]jobs.Options
}

// What is remembered: texts that are short and have no members of others, which
// tend to differ from job to job. When there are too many, all are forgotten.
const (
	maxKnown     = 256
	maxKnownText = 512
)

// DecodeJob is the function of that name.
func (d *Decoder) DecodeJob(queue, id string, h Hash) (*jobs.Job, error) {
	return decodeJob(queue, id, h, d.decodeOptions)
}

func (d *Decoder) decodeOptions(text []byte) (jobs.Options, error) {
	d.mu.RLock()
	known, ok := d.known[string(text)]
	d.mu.RUnlock()
	if ok {
		return ownCopy(known), nil
	}
	o, err := DecodeOptions(text)
	if err == nil && len(text) <= maxKnownText && o.Foreign == nil && o.ID == "" && o.Trace == "" {
		d.remember(string(text), ownCopy(o))
	}
	return o, err
}

func (d *Decoder) remember(text string, o jobs.Options) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxKnown {
		d.known = map[string]jobs.Options{}
	}
	d.known[text] = o
}

// ownCopy shares nothing with the original: a handler may do with its job what it
// likes.
func ownCopy(o jobs.Options) jobs.Options {
	o.KeepCompleted, o.KeepFailed = ownRetention(o.KeepCompleted), ownRetention(o.KeepFailed)
	return o
}

func ownRetention(r *jobs.Retention) *jobs.Retention {
	if r == nil {
		return nil
	}
	own := *r
	return &own
}
