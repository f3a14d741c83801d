package redisconn

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// sentinelsDown does for the question who the master is what redialer does for
// a dial: with Sentinels the client library asks them before it dials, and
// counts it as a failed dial when none of them answers.
type sentinelsDown struct{}

func (sentinelsDown) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err == nil {
			return conn, nil
		}
		return orStillborn(ctx, err)
	}
}

func (sentinelsDown) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (sentinelsDown) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
