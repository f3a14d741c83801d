package mailcatch

import (
	"slices"
	"sync"
)

// mailbox keeps the newest mails within two bounds.
type mailbox struct {
	keep     int
	maxTotal int64

	mu       sync.Mutex
	mails    []*Mail // the oldest first
	total    int64   // bytes of mails
	received int     // how many ever came; the last id given
	changed  chan struct{}
}

func newMailbox(keep int, maxTotal int64) *mailbox {
	return &mailbox{keep: keep, maxTotal: maxTotal, changed: make(chan struct{})}
}

// add gives the mail its id and makes room for it.
func (b *mailbox) add(m *Mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received++
	m.ID = b.received
	b.mails = append(b.mails, m)
	b.total += int64(m.Size)
	for len(b.mails) > b.keep || (b.total > b.maxTotal && len(b.mails) > 1) {
		b.total -= int64(b.mails[0].Size)
		b.mails = slices.Delete(b.mails, 0, 1)
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *mailbox) all() []*Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := slices.Clone(b.mails)
	slices.Reverse(newest)
	return newest
}

func (b *mailbox) get(id int) (*Mail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, found := slices.BinarySearchFunc(b.mails, id, func(m *Mail, id int) int { return m.ID - id })
	if !found {
		return nil, false
	}
	return b.mails[i], true
}

func (b *mailbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails, b.total = nil, 0
}

// watch is how many mails came so far, and a channel that is closed when the
// next one comes.
func (b *mailbox) watch() (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received, b.changed
}
