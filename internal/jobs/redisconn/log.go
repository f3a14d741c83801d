package redisconn

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends what the client library itself has to say, about dialling and
// about connections, to a logger at debug level: what matters of it comes back
// as an error of a call. The library has one such place for the whole process,
// so a program calls this once, before it opens a connection.
func LogTo(logger *slog.Logger) { redis.SetLogger(clientLog{logger}) }

type clientLog struct{ logger *slog.Logger }

func (l clientLog) Printf(ctx context.Context, format string, v ...any) {
	l.logger.DebugContext(ctx, "redis client", slog.String("message", fmt.Sprintf(format, v...)))
}
