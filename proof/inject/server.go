package inject

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
)

// Config are the lines of redis.conf that let a server be mistreated: DEBUG is
// refused otherwise.
func Config() []string { return []string{"enable-debug-command yes"} }

// Crash is a fault: the server is killed, stays away for a while and comes back
// with what it had on disk.
func Crash(server *redistest.Instance, away Span) Fault {
	return Fault{Name: "redis killed", Do: func(ctx context.Context, r *rand.Rand) error {
		server.Kill()
		err := last(ctx, away.draw(r))
		server.Restart()
		return err
	}}
}

// Freeze is a fault: the server's process stands still. Connections stay open,
// and what clients send is read when it goes on.
func Freeze(server *redistest.Instance, lasting Span) Fault {
	return Fault{Name: "redis stopped", Do: func(ctx context.Context, r *rand.Rand) error {
		server.Pause()
		defer server.Resume()
		return last(ctx, lasting.draw(r))
	}}
}

// Sleep is a fault: the server does nothing else for a while.
func Sleep(server *redistest.Instance, lasting Span) Fault {
	return Fault{Name: "redis asleep", Do: func(ctx context.Context, r *rand.Rand) error {
		client := operator(server)
		defer client.Close()
		seconds := strconv.FormatFloat(lasting.draw(r).Seconds(), 'f', 3, 64)
		if err := client.Do(ctx, "DEBUG", "SLEEP", seconds).Err(); err != nil {
			return fmt.Errorf("let redis sleep: %w", err)
		}
		return nil
	}}
}

// Disconnect is a fault: the server closes every client's connection.
func Disconnect(server *redistest.Instance) Fault {
	return Fault{Name: "all connections closed", Do: func(ctx context.Context, _ *rand.Rand) error {
		client := operator(server)
		defer client.Close()
		if err := client.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			return fmt.Errorf("close connections: %w", err)
		}
		return nil
	}}
}

// DisconnectOne is a fault: the server closes one connection.
func DisconnectOne(server *redistest.Instance) Fault {
	return Fault{Name: "one connection closed", Do: func(ctx context.Context, r *rand.Rand) error {
		client := operator(server)
		defer client.Close()
		addrs, err := others(ctx, client)
		if err != nil || len(addrs) == 0 {
			return err
		}
		err = client.Do(ctx, "CLIENT", "KILL", "ADDR", addrs[r.IntN(len(addrs))]).Err()
		if err != nil && !strings.Contains(err.Error(), "No such client") { // it left by itself
			return fmt.Errorf("close a connection: %w", err)
		}
		return nil
	}}
}

// others are the addresses of the clients beside this one.
func others(ctx context.Context, client *redis.Client) ([]string, error) {
	conn := client.Conn()
	defer conn.Close()
	id, err := conn.ClientID(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	list, err := conn.ClientList(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	var addrs []string
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] != "id="+strconv.FormatInt(id, 10) {
			addrs = append(addrs, strings.TrimPrefix(fields[1], "addr="))
		}
	}
	return addrs, nil
}

// Forget is a fault: for a while, the server forgets all scripts every 50 ms.
func Forget(server *redistest.Instance, lasting Span) Fault {
	return Fault{Name: "scripts forgotten", Do: func(ctx context.Context, r *rand.Rand) error {
		client := operator(server)
		defer client.Close()
		for end := time.Now().Add(lasting.draw(r)); time.Now().Before(end); {
			if err := client.ScriptFlush(ctx).Err(); err != nil {
				return fmt.Errorf("forget scripts: %w", err)
			}
			if err := last(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Full is a fault: for a while, the server may use no more memory than it does.
func Full(server *redistest.Instance, lasting Span) Fault {
	return Fault{Name: "maxmemory reached", Do: func(ctx context.Context, r *rand.Rand) error {
		return with(ctx, server, map[string]string{"maxmemory": "1", "maxmemory-policy": "noeviction"}, func(*redis.Client) error {
			return last(ctx, lasting.draw(r))
		})
	}}
}

// Load is a fault: the server loads its data anew, as after a start, and answers
// LOADING meanwhile. Some ballast is loaded with it, since a server looks at its
// clients only now and then in a file, and there has to be a file.
func Load(server *redistest.Instance, lasting Span) Fault {
	return Fault{Name: "redis loading", Do: func(ctx context.Context, r *rand.Rand) error {
		client := operator(server)
		defer client.Close()
		if err := ballast(ctx, client, r); err != nil {
			return fmt.Errorf("add ballast: %w", err)
		}
		keys, err := client.DBSize(ctx).Result()
		if err != nil {
			return fmt.Errorf("count keys: %w", err)
		}
		slow := map[string]string{
			"key-load-delay":                        strconv.FormatInt(lasting.draw(r).Microseconds()/keys, 10),
			"loading-process-events-interval-bytes": "1024",
		}
		err = with(ctx, server, slow, func(client *redis.Client) error {
			return client.Do(ctx, "DEBUG", "RELOAD").Err()
		})
		return errors.Join(err, unballast(ctx, client))
	}}
}

const (
	ballastKeys  = 400
	ballastBytes = 1100 // in a key: more than the server reads before it looks up
)

func ballastKey(i int) string { return "tandem:inject:ballast:" + strconv.Itoa(i) }

func ballast(ctx context.Context, client *redis.Client, r *rand.Rand) error {
	pipe := client.Pipeline()
	for i := range ballastKeys {
		value := make([]byte, ballastBytes)
		for j := range value {
			value[j] = byte(r.Uint32()) // so that it is not compressed
		}
		pipe.Set(ctx, ballastKey(i), value, time.Minute)
	}
	_, err := pipe.Exec(ctx)
	return err
}

func unballast(ctx context.Context, client *redis.Client) error {
	ctx, cancel := healing(ctx)
	defer cancel()
	keys := make([]string, ballastKeys)
	for i := range keys {
		keys[i] = ballastKey(i)
	}
	if err := client.Unlink(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("remove ballast: %w", err)
	}
	return nil
}

// Busy is a fault: a script loops, and the server answers BUSY until it is killed.
func Busy(server *redistest.Instance, lasting Span) Fault {
	return Fault{Name: "redis busy", Do: func(ctx context.Context, r *rand.Rand) error {
		return with(ctx, server, map[string]string{"busy-reply-threshold": "20"}, func(client *redis.Client) error {
			ended := make(chan error, 1) // not before the script has: until then the server refuses to be set back
			go func() { ended <- client.Eval(context.WithoutCancel(ctx), "while true do end", nil).Err() }()
			err := last(ctx, lasting.draw(r))
			return errors.Join(err, killScript(ctx, client), killed(<-ended))
		})
	}}
}

func killScript(ctx context.Context, client *redis.Client) error {
	ctx, cancel := healing(ctx)
	defer cancel()
	for {
		err := client.ScriptKill(ctx).Err()
		if err == nil || !strings.HasPrefix(err.Error(), "NOTBUSY") {
			return err
		}
		if err := last(ctx, 5*time.Millisecond); err != nil { // the loop has not begun yet
			return err
		}
	}
}

// killed is nil for the end that the script was meant to have.
func killed(err error) error {
	if err != nil && strings.Contains(err.Error(), "killed by user") {
		return nil
	}
	return fmt.Errorf("the looping script ended otherwise: %v", err)
}

// with runs f under changed settings and sets them back.
func with(ctx context.Context, server *redistest.Instance, settings map[string]string, f func(*redis.Client) error) error {
	client := operator(server)
	defer client.Close()
	before := map[string]string{}
	for name := range settings {
		value, err := client.ConfigGet(ctx, name).Result()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		before[name] = value[name]
	}
	err := configure(ctx, client, settings)
	if err == nil {
		err = f(client)
	}
	ctx, cancel := healing(ctx)
	defer cancel()
	return errors.Join(err, configure(ctx, client, before))
}

func configure(ctx context.Context, client *redis.Client, settings map[string]string) error {
	for name, value := range settings {
		if err := client.ConfigSet(ctx, name, value).Err(); err != nil {
			return fmt.Errorf("set %s to %s: %w", name, value, err)
		}
	}
	return nil
}

// operator is a client that has the patience that faults need.
func operator(server *redistest.Instance) *redis.Client {
	o := server.Options()
	o.ReadTimeout = 2 * time.Minute
	o.PoolSize = 4
	return redis.NewClient(o)
}

// revive starts a server that has ended by itself, and waits until it takes
// writes again.
func revive(ctx context.Context, server *redistest.Instance) error {
	ctx, cancel := healing(ctx)
	defer cancel()
	select {
	case <-server.Exited():
		server.Restart()
	default:
	}
	client := operator(server)
	defer client.Close()
	for {
		err := probe(ctx, client)
		if err == nil {
			return nil
		}
		if waited := last(ctx, 10*time.Millisecond); waited != nil {
			return errors.Join(waited, err)
		}
		select {
		case <-server.Exited():
			server.Restart()
		default:
		}
	}
}

// probe writes and removes one key.
func probe(ctx context.Context, client *redis.Client) error {
	const key = "tandem:inject:probe"
	if err := client.Set(ctx, key, "1", 0).Err(); err != nil {
		return fmt.Errorf("write to redis: %w", err)
	}
	return client.Del(ctx, key).Err()
}
