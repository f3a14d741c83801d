package config

import (
	"net"
	"net/url"
	"strconv"
	"time"
)

// API is the configuration of cmd/api.
type API struct {
	Process  `part:"Process"`
	HTTP     HTTP     `part:"HTTP"`
	Access   Access   `part:"Access"`
	Redis    Redis    `part:"Redis"`
	Database Database `part:"Database"`
	Files    Files    `part:"Files"`
	Datasets Datasets `part:"Datasets"`
	Tracing  Tracing  `part:"Tracing"`
}

// HTTP is about the listeners of the API.
type HTTP struct {
	Host              string        `envconfig:"HOST" doc:"The interface to listen on. Empty is every one; without API_KEYS and JWT_KEY, in development, it is 127.0.0.1."`
	Port              int           `envconfig:"PORT" default:"8080" doc:"The port to listen on. 0 takes a free one; api then needs PUBLIC_URL, since links have to lead somewhere."`
	OpsAddr           string        `envconfig:"OPS_ADDR" default:":8081" doc:"host:port of the listener for metrics, profiles and health. Keep it from the public."`
	ReadHeaderTimeout time.Duration `envconfig:"HTTP_READ_HEADER_TIMEOUT" default:"5s" doc:"How long a client may take to send the header of a request."`
	ReadTimeout       time.Duration `envconfig:"HTTP_READ_TIMEOUT" default:"30s" doc:"How long a client may take to send a whole request."`
	WriteTimeout      time.Duration `envconfig:"HTTP_WRITE_TIMEOUT" default:"60s" doc:"How long an answer may take. Downloads and event streams set their own."`
	IdleTimeout       time.Duration `envconfig:"HTTP_IDLE_TIMEOUT" default:"2m" doc:"How long an unused connection is kept."`
	BodyLimit         int64         `envconfig:"BODY_LIMIT" default:"262144" doc:"Bytes of a request's body at most."`
	BulkBodyLimit     int64         `envconfig:"BULK_BODY_LIMIT" default:"8388608" doc:"Bytes of the body of a bulk request at most."`
	DrainDelay        time.Duration `envconfig:"DRAIN_DELAY" default:"0s" doc:"How long to answer requests after SIGTERM while /readyz is red already, for load balancers that take time to notice."`
}

func (c *HTTP) check(p *problems) {
	p.require(c.Port >= 0 && c.Port <= 65535, "PORT", "must be from 0 to 65535")
	checkAddr(p, "OPS_ADDR", c.OpsAddr)
	positive(p, "HTTP_READ_HEADER_TIMEOUT", c.ReadHeaderTimeout)
	positive(p, "HTTP_READ_TIMEOUT", c.ReadTimeout)
	positive(p, "HTTP_WRITE_TIMEOUT", c.WriteTimeout)
	positive(p, "HTTP_IDLE_TIMEOUT", c.IdleTimeout)
	atLeast(p, "BODY_LIMIT", c.BodyLimit, 1024)
	p.require(c.BulkBodyLimit >= c.BodyLimit, "BULK_BODY_LIMIT", "must be at least BODY_LIMIT")
	p.require(c.DrainDelay >= 0, "DRAIN_DELAY", "must not be negative")
}

// Access is about who may do what.
type Access struct {
	APIKeys        Secret   `envconfig:"API_KEYS" doc:"Keys of the callers, divided by commas. docs/api.md says how one is written. Needed in production, unless JWT_KEY is set."`
	JWTKey         Secret   `envconfig:"JWT_KEY" doc:"Checks bearer tokens: a secret of 32 bytes or more, or a public key in PEM."`
	JWTIssuer      string   `envconfig:"JWT_ISSUER" doc:"The iss that bearer tokens must have. Needed with JWT_KEY."`
	JWTAudience    string   `envconfig:"JWT_AUDIENCE" default:"tandem" doc:"The aud that bearer tokens must have."`
	RateLimit      Rate     `envconfig:"RATE_LIMIT" default:"600/1m" doc:"Requests of one caller, or of one address without a key, such as 600/1m, or off. Each process counts for itself: n of them let n times as many through."`
	TrustedProxies Prefixes `envconfig:"TRUSTED_PROXIES" doc:"Addresses or networks of the proxies whose X-Forwarded-For is believed, divided by commas."`
	CORSOrigins    List     `envconfig:"CORS_ORIGINS" doc:"Origins of web pages that may call the API, such as https://app.example.com, divided by commas."`
}

// Open reports whether everybody may call the API.
func (c *Access) Open() bool { return !c.APIKeys.IsSet() && !c.JWTKey.IsSet() }

func (c *Access) check(p *problems, production bool) {
	p.require(!production || !c.Open(), "API_KEYS", "is needed in production; for a try, set APP_ENV=development")
	if c.JWTKey.IsSet() {
		p.require(len(c.JWTKey.Reveal()) >= 32, "JWT_KEY", "must have at least 32 bytes")
		p.require(c.JWTIssuer != "", "JWT_ISSUER", "is needed with JWT_KEY")
		p.require(c.JWTAudience != "", "JWT_AUDIENCE", "is needed with JWT_KEY")
	}
	for _, origin := range c.CORSOrigins {
		p.require(isOrigin(origin), "CORS_ORIGINS", "has %q, which is not an origin such as https://app.example.com", origin)
	}
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && oneOf(u.Scheme, "http", "https") && u.Host != "" && text == u.Scheme+"://"+u.Host
}

// Addr is where the API listens. An API that is open to everybody is so on
// this machine only.
func (c *API) Addr() string {
	host := c.HTTP.Host
	if host == "" && c.Access.Open() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(c.HTTP.Port))
}

func (c *API) derive() { c.Files.derive(&c.Process, strconv.Itoa(c.HTTP.Port)) }

// Validate reports everything that is wrong, as an *Error. Loading does it too.
func (c *API) Validate() error {
	var p problems
	c.check(&p)
	return p.err()
}

func (c *API) check(p *problems) {
	c.Process.check(p)
	c.HTTP.check(p)
	c.Access.check(p, c.production())
	c.Redis.check(p)
	c.Database.check(p)
	p.require(c.HTTP.Port != 0 || c.Files.PublicURL != "", "PUBLIC_URL", "is needed with PORT=0: nobody knows where else links could lead")
	c.Files.check(p, c.production())
	c.Datasets.check(p)
	c.Tracing.check(p)
	if c.Access.Open() && c.HTTP.Host != "" {
		p.require(isLoopback(c.HTTP.Host), "HOST", "must be a loopback address while there are no API_KEYS")
	}
}
