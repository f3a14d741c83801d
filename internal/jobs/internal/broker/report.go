package broker

import "context"

// Progress stores how far a job has come, as JSON, and tells the stream.
func (b *Broker) Progress(ctx context.Context, id string, value []byte) error {
	_, err := b.code(ctx, call{script: "progress", args: []any{0, id, value}, resent: 0})
	return err
}

// Log appends a line to a job's log and returns how many lines it has. keep is
// how many to keep at most, 0 for all.
func (b *Broker) Log(ctx context.Context, id, line string, keep int) (int, error) {
	return b.code(ctx, call{script: "log", args: []any{0, id, line, keep}, resent: 0})
}
