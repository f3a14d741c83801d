// Package redisconn opens Redis as the queue needs it: one server, Sentinel or
// Cluster, from one struct of options, and tells what about the server's
// settings endangers jobs.
package redisconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
)

// Options say where Redis is and how to speak to it. URL or Addrs is needed.
type Options struct {
	// URL of one server: redis://user:password@host:port/db, rediss:// with TLS.
	// With Addrs, its credentials, database and TLS are used for those.
	URL string

	// Addrs are host:port of the Sentinels (with MasterName), or of some nodes of
	// a Cluster (with Cluster).
	Addrs      []string
	MasterName string
	Cluster    bool

	// SentinelPassword is what the Sentinels themselves ask for.
	SentinelPassword string

	// PoolSize bounds the connections for calls; 0 is 10 for each CPU.
	PoolSize int

	// DialTimeout and CallTimeout bound one connect and one call; 0 is 2 s and
	// 3 s. A call that times out is sent again by the queue, with care.
	DialTimeout time.Duration
	CallTimeout time.Duration

	// Replicas is how many replicas must acknowledge a job before it counts as
	// added, and ReplicaTimeout how long one call waits for them; 0 is 1 s. With 0
	// replicas it is enough that the primary has it.
	Replicas       int
	ReplicaTimeout time.Duration

	// Dial opens every connection; nil dials the network. A simulation gives one
	// that ends in the same process.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Conn is an open door to Redis: a client for calls, and the way to make
// further clients for what blocks.
type Conn struct {
	redis.UniversalClient
	options redis.UniversalOptions
	dial    dialFunc

	replicas       int
	replicaTimeout time.Duration
}

// Open checks the options and returns a connection. It does not dial: a server
// that is down now may be up when the first call is made.
func Open(o Options) (*Conn, error) {
	universal, err := o.universal()
	if err != nil {
		return nil, err
	}
	c := &Conn{
		options: universal, dial: o.Dial,
		replicas: o.Replicas, replicaTimeout: orDefault(o.ReplicaTimeout, time.Second),
	}
	if c.dial == nil {
		c.dial = overNetwork(universal.DialTimeout, universal.TLSConfig)
	}
	c.UniversalClient = c.client(universal)
	return c, nil
}

// client makes a client that dials as we do.
func (c *Conn) client(o redis.UniversalOptions) redis.UniversalClient {
	o.Dialer = newRedialer(c.dial).connect
	client := redis.NewUniversalClient(&o)
	if o.MasterName != "" {
		client.AddHook(sentinelsDown{})
	}
	return client
}

// Dedicated returns a client with one connection of its own, for a call that
// blocks up to wait. name is what CLIENT LIST shows; "" shows none. Whoever
// asked for it closes it.
func (c *Conn) Dedicated(name string, wait time.Duration) redis.UniversalClient {
	o := c.options
	o.ClientName = name
	o.PoolSize = 1
	o.MinIdleConns = 0
	o.MaxIdleConns = 1
	o.ReadTimeout = wait + 3*time.Second
	o.ConnMaxIdleTime = -1
	return c.client(o)
}

// IsCluster reports whether keys have slots here.
func (c *Conn) IsCluster() bool { return c.options.IsClusterMode }

// callTimeout bounds a call when the options say nothing.
const callTimeout = 3 * time.Second

func (o Options) universal() (redis.UniversalOptions, error) {
	if err := o.validate(); err != nil {
		return redis.UniversalOptions{}, err
	}
	u := redis.UniversalOptions{
		// Clients of a Cluster append the nodes that they hear of, each in its own
		// memory only when there is no room behind these.
		Addrs:            slices.Clip(slices.Clone(o.Addrs)),
		MasterName:       o.MasterName,
		SentinelPassword: o.SentinelPassword,
		IsClusterMode:    o.Cluster,
		PoolSize:         o.PoolSize,
		DialerRetries:    1, // the queue tries again, and knows how long
		DialTimeout:      orDefault(o.DialTimeout, 2*time.Second),
		ReadTimeout:      orDefault(o.CallTimeout, callTimeout),
		WriteTimeout:     orDefault(o.CallTimeout, callTimeout),

		// The client must not repeat a script whose reply was lost: the queue does
		// it, and says in the call that it is a repetition.
		// A Cluster client would also repeat it while it follows redirections, so
		// those come back as errors and the queue's next sending follows them.
		MaxRetries:            -1,
		MaxRedirects:          -1,
		ContextTimeoutEnabled: true,
		Protocol:              2,
		DisableIdentity:       true,
	}
	if o.URL == "" {
		return u, nil
	}
	parsed, err := parseURL(o.URL)
	if err != nil {
		return u, err
	}
	u.Username, u.Password, u.DB = parsed.Username, parsed.Password, parsed.DB
	u.TLSConfig = withMinimum(parsed.TLSConfig)
	if len(u.Addrs) == 0 {
		u.Addrs = []string{parsed.Addr}
	}
	return u, nil
}

// CheckURL says whether Open can read the URL of a server. The error does not
// repeat it.
func CheckURL(url string) error {
	_, err := parseURL(url)
	return err
}

func parseURL(url string) (*redis.Options, error) {
	parsed, err := redis.ParseURL(url)
	if err != nil {
		return nil, jobs.Invalid("redis url", "must look like redis://user:password@host:6379/0")
	}
	return parsed, nil
}

func (o Options) validate() error {
	switch {
	case o.URL == "" && len(o.Addrs) == 0:
		return jobs.Invalid("redis", "an url or addresses are needed")
	case o.Cluster && o.MasterName != "":
		return jobs.Invalid("redis", "is either a cluster or watched by sentinels, not both")
	case len(o.Addrs) > 1 && !o.Cluster && o.MasterName == "":
		return jobs.Invalid("redis", "several addresses need a master name or cluster")
	case o.MasterName != "" && len(o.Addrs) == 0:
		return jobs.Invalid("redis", "a master name needs the addresses of its sentinels")
	case o.PoolSize < 0:
		return jobs.Invalid("redis pool size", "must not be negative")
	case o.DialTimeout < 0 || o.CallTimeout < 0 || o.ReplicaTimeout < 0:
		return jobs.Invalid("redis timeout", "must not be negative")
	case o.Replicas < 0:
		return jobs.Invalid("redis replicas", "must not be negative")
	case o.ReplicaTimeout >= orDefault(o.CallTimeout, callTimeout):
		return jobs.Invalid("redis replica timeout", "must be shorter than that of a call, %s", orDefault(o.CallTimeout, callTimeout))
	}
	return nil
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

func withMinimum(c *tls.Config) *tls.Config {
	if c != nil {
		c.MinVersion = tls.VersionTLS12
	}
	return c
}

// String tells where the connection goes, without credentials.
func (c *Conn) String() string {
	switch {
	case c.options.IsClusterMode:
		return fmt.Sprintf("redis cluster at %v", c.options.Addrs)
	case c.options.MasterName != "":
		return fmt.Sprintf("redis master %q by sentinels %v", c.options.MasterName, c.options.Addrs)
	default:
		return "redis at " + c.options.Addrs[0]
	}
}
