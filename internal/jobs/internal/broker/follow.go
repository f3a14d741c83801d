package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Stream reads a queue's event stream. The client is its own: XREAD blocks.
type Stream struct {
	redis redis.UniversalClient
	key   string
}

// NewStream returns a reader that owns client.
func NewStream(client redis.UniversalClient, keys wire.Keys) *Stream {
	return &Stream{redis: client, key: keys.Events()}
}

// Last is the id of the newest entry, "0-0" when there is none.
func (s *Stream) Last(ctx context.Context) (string, error) {
	entries, err := s.redis.XRevRangeN(ctx, s.key, "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("last event: %w", meaning(err))
	}
	if len(entries) == 0 {
		return "0-0", nil
	}
	return entries[0].ID, nil
}

// Has reports whether the entry with this id is still there.
func (s *Stream) Has(ctx context.Context, id string) (bool, error) {
	entries, err := s.redis.XRangeN(ctx, s.key, id, id, 1).Result()
	if err != nil {
		return false, fmt.Errorf("look for event %s: %w", id, meaning(err))
	}
	return len(entries) == 1, nil
}

// ReadCount is how many entries one Read returns at most.
const ReadCount = 500

// Read returns the entries after the given id, waiting up to block for the
// first of them.
func (s *Stream) Read(ctx context.Context, after string, block time.Duration) ([]jobs.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, block+deafness)
	defer cancel()
	streams, err := s.redis.XRead(ctx, &redis.XReadArgs{
		Streams: []string{s.key, after}, Count: ReadCount, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read events: %w", meaning(err))
	}
	var events []jobs.Event
	for _, entry := range streams[0].Messages {
		fields := make(map[string]string, len(entry.Values))
		for name, value := range entry.Values {
			fields[name] = fmt.Sprint(value)
		}
		events = append(events, wire.DecodeEvent(entry.ID, fields))
	}
	return events, nil
}

// Close ends a Read under way.
func (s *Stream) Close() error { return s.redis.Close() }
