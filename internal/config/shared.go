package config

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Process is about the program itself.
type Process struct {
	Environment     Environment   `envconfig:"APP_ENV" default:"production" doc:"development or production. Production refuses to start without keys and real addresses."`
	LogLevel        Level         `envconfig:"LOG_LEVEL" default:"info" doc:"The least level that is logged: debug, info, warn or error."`
	LogFormat       LogFormat     `envconfig:"LOG_FORMAT" default:"auto" doc:"text, json, or auto: text on a terminal and JSON elsewhere."`
	NoColor         Presence      `envconfig:"NO_COLOR" doc:"With any value, text logs have no colours."`
	DataDir         string        `envconfig:"DATA_DIR" default:"data" doc:"Directory for the SQLite database and the files, where no other place is named."`
	ShutdownTimeout time.Duration `envconfig:"SHUTDOWN_TIMEOUT" default:"30s" doc:"How long running requests and jobs may take to finish after SIGTERM. Jobs that are not done by then go back to their queue."`
}

func (c *Process) check(p *problems) {
	positive(p, "SHUTDOWN_TIMEOUT", c.ShutdownTimeout)
}

func (c *Process) production() bool { return c.Environment == Production }

func positive(p *problems, variable string, d time.Duration) {
	p.require(d > 0, variable, "must be more than zero")
}

func atLeast(p *problems, variable string, value, least int64) {
	p.require(value >= least, variable, "must be at least %d", least)
}

// Redis is where the queues are. One server, Sentinels or a Cluster.
type Redis struct {
	URL          SecretURL     `envconfig:"REDIS_URL" default:"redis://localhost:6379/0" doc:"The server: redis://user:password@host:port/database, or rediss:// for TLS. With REDIS_ADDRS only its user, password, database and TLS count."`
	Addrs        List          `envconfig:"REDIS_ADDRS" doc:"host:port of the Sentinels, or of some nodes of the Cluster, divided by commas."`
	MasterName   string        `envconfig:"REDIS_MASTER_NAME" doc:"The name of the master that the Sentinels watch. Setting it means Sentinel."`
	SentinelPass Secret        `envconfig:"REDIS_SENTINEL_PASSWORD" doc:"Password of the Sentinels themselves, when they have one."`
	Cluster      bool          `envconfig:"REDIS_CLUSTER" default:"false" doc:"true when the server is a Redis Cluster. QUEUE_PREFIX then needs a hash tag."`
	WaitReplicas int           `envconfig:"REDIS_WAIT_REPLICAS" default:"0" doc:"How many replicas must have a job before it is accepted. As many as can be promoted keep accepted jobs through a failover, fewer do not; 0 leaves that to the primary."`
	WaitTimeout  time.Duration `envconfig:"REDIS_WAIT_TIMEOUT" default:"1s" doc:"How long one call waits for those replicas, below 3s. Without them in the time of a request, the answer is 503."`
	Prefix       string        `envconfig:"QUEUE_PREFIX" default:"bull" doc:"What all keys of the queues begin with. Every program that shares them needs the same."`
}

// Sentinel reports whether the master is found through Sentinels.
func (c *Redis) Sentinel() bool { return c.MasterName != "" }

func (c *Redis) check(p *problems) {
	if c.URL.IsSet() {
		p.require(oneOf(c.URL.scheme(), "redis", "rediss"), "REDIS_URL", "must begin with redis:// or rediss://")
	}
	for _, address := range c.Addrs {
		_, _, err := net.SplitHostPort(address)
		p.require(err == nil, "REDIS_ADDRS", "has %q, which is not host:port", address)
	}
	p.require(!c.Sentinel() || !c.Cluster, "REDIS_MASTER_NAME", "means Sentinel, and REDIS_CLUSTER a Cluster; only one may be set")
	p.require(!c.Sentinel() || len(c.Addrs) > 0, "REDIS_ADDRS", "must name the Sentinels of REDIS_MASTER_NAME")
	p.require(len(c.Addrs) == 0 || c.Sentinel() || c.Cluster, "REDIS_ADDRS", "needs REDIS_MASTER_NAME (Sentinel) or REDIS_CLUSTER=true")
	p.require(c.WaitReplicas >= 0, "REDIS_WAIT_REPLICAS", "must not be negative")
	p.require(c.WaitTimeout > 0 && c.WaitTimeout < maxWaitTimeout, "REDIS_WAIT_TIMEOUT", "must be more than zero and less than %s, the time of one call", maxWaitTimeout)
	c.checkPrefix(p)
}

// maxWaitTimeout is how long a call to Redis may take.
const maxWaitTimeout = 3 * time.Second

func (c *Redis) checkPrefix(p *problems) {
	p.require(!strings.ContainsAny(c.Prefix, ": \t\r\n"), "QUEUE_PREFIX", "must not contain a colon or space")
	if c.Cluster {
		_, rest, found := strings.Cut(c.Prefix, "{")
		p.require(found && strings.IndexByte(rest, '}') > 0, "QUEUE_PREFIX", "needs a hash tag on a Cluster, such as {bull}")
	}
}

func oneOf(text string, allowed ...string) bool {
	for _, other := range allowed {
		if text == other {
			return true
		}
	}
	return false
}

// Database is where accounts and history are.
type Database struct {
	URL      SecretURL     `envconfig:"DATABASE_URL" doc:"postgres://user:password@host/database, or file:path for SQLite. Empty is SQLite in DATA_DIR."`
	MaxConns int           `envconfig:"DATABASE_MAX_CONNS" default:"10" doc:"Open connections at most, in each process."`
	Patience time.Duration `envconfig:"DATABASE_WAIT" default:"30s" doc:"How long to wait for the server at the start; 0 tries once."`
}

func (c *Database) check(p *problems) {
	if c.URL.IsSet() {
		p.require(oneOf(c.URL.scheme(), "postgres", "postgresql", "file", "sqlite"), "DATABASE_URL", "must begin with postgres://, file: or sqlite://")
	}
	atLeast(p, "DATABASE_MAX_CONNS", int64(c.MaxConns), 1)
	p.require(c.Patience >= 0, "DATABASE_WAIT", "must not be negative")
}

// Files are where exports and reports go, and how they are fetched.
type Files struct {
	StorageURL  SecretURL     `envconfig:"STORAGE_URL" doc:"file:///path, or s3://KEY:SECRET@host/bucket?region=eu-central-1. Without KEY:SECRET the credentials are those of the environment (AWS_ACCESS_KEY_ID) or the machine; files are then fetched through the api if the credentials are temporary. Empty is the directory files in DATA_DIR."`
	PublicURL   string        `envconfig:"PUBLIC_URL" doc:"Where people reach the API; links in mails begin with it. https, except on localhost. Empty is localhost, in development only."`
	SigningKey  Secret        `envconfig:"URL_SIGNING_KEY" doc:"Signs download links; 32 bytes or more, the same for api and worker. Several divided by commas: the first signs, all are accepted. Empty makes one in DATA_DIR, in development only."`
	ArtifactTTL time.Duration `envconfig:"ARTIFACT_TTL" default:"168h" doc:"How long a finished file can be downloaded. With s3:// at most 168h, which is what S3 signs links for."`
}

func (c *Files) derive(process *Process, port string) {
	if !c.StorageURL.IsSet() {
		c.StorageURL = NewSecretURL(fileURL(filepath.Join(process.DataDir, "files")))
	}
	if c.PublicURL == "" && !process.production() && port != "0" {
		c.PublicURL = "http://localhost:" + port
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
}

// fileURL makes a relative path absolute, if the working directory is known.
func fileURL(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	location := url.URL{Scheme: "file", Path: path}
	return location.String()
}

// minSigningKey is the length of the hash that it keys.
const minSigningKey = 32

// maxPresigned is how long a link of S3 can live, by its own rule.
const maxPresigned = 168 * time.Hour

func (c *Files) check(p *problems, production bool) {
	p.require(oneOf(c.StorageURL.scheme(), "file", "s3"), "STORAGE_URL", "must begin with file:// or s3://")
	c.checkPublicURL(p)
	for _, key := range c.SigningKey.List() {
		p.require(len(key) >= minSigningKey, "URL_SIGNING_KEY", "must have at least %d bytes; openssl rand -base64 32 makes one", minSigningKey)
	}
	p.require(!production || len(c.SigningKey.List()) > 0, "URL_SIGNING_KEY", "is needed in production; openssl rand -base64 32 makes one")
	positive(p, "ARTIFACT_TTL", c.ArtifactTTL)
	p.require(c.StorageURL.scheme() != "s3" || c.ArtifactTTL <= maxPresigned, "ARTIFACT_TTL", "must be at most %s with s3://, which signs no link for longer", maxPresigned)
}

func (c *Files) checkPublicURL(p *problems) {
	if c.PublicURL == "" {
		p.add("PUBLIC_URL", "is needed in production: where people reach the API, such as https://tandem.example.com")
		return
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" || !oneOf(u.Scheme, "http", "https") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		p.add("PUBLIC_URL", "must be a URL such as https://tandem.example.com")
		return
	}
	p.require(u.Scheme == "https" || isLoopback(u.Hostname()), "PUBLIC_URL", "must begin with https:// unless its host is localhost")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (ip != nil && ip.IsLoopback())
}

// Datasets are what exports and reports read beside the service's own tables.
type Datasets struct {
	File        string    `envconfig:"DATASETS_FILE" doc:"YAML file with the datasets of the operator. Empty leaves the service's own."`
	DatabaseURL SecretURL `envconfig:"DATASETS_DATABASE_URL" doc:"The database that all datasets and reports of that file read, by a user who may only read: postgres:// or file:. Empty is DATABASE_URL. The service's own datasets always read that one."`
}

func (c *Datasets) check(p *problems) {
	if c.DatabaseURL.IsSet() {
		p.require(oneOf(c.DatabaseURL.scheme(), "postgres", "postgresql", "file", "sqlite"), "DATASETS_DATABASE_URL", "must begin with postgres://, file: or sqlite://")
		p.require(c.File != "", "DATASETS_FILE", "must say which datasets DATASETS_DATABASE_URL has")
	}
}

// Tracing is off until an endpoint is named. The OpenTelemetry libraries read
// their other OTEL_ variables themselves.
type Tracing struct {
	Endpoint    SecretURL `envconfig:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"Where traces go, by OTLP over HTTP. Empty is no tracing. The exporter reads its other OTEL_EXPORTER_OTLP_ variables itself."`
	ServiceName string    `envconfig:"OTEL_SERVICE_NAME" doc:"The name in traces. Empty is tandem-api or tandem-worker."`
}

func (c *Tracing) check(p *problems) {
	if c.Endpoint.IsSet() {
		p.require(oneOf(c.Endpoint.scheme(), "http", "https"), "OTEL_EXPORTER_OTLP_ENDPOINT", "must begin with http:// or https://")
	}
}

// checkAddr accepts what a listener does: host:port with the host left out or not.
func checkAddr(p *problems, variable, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	p.require(err == nil, variable, "must be host:port, or :port for every interface")
}
