package config

// Tandem is the configuration of cmd/tandem, which runs both services in one
// process. What both read is in both, with one value.
type Tandem struct {
	API    API
	Worker Worker

	// EmbeddedRedis says that no Redis was named, so one runs in the process.
	EmbeddedRedis bool
	// CatchMail says that no mail server was named, so mails are caught and shown.
	CatchMail bool
}

// tandemDefaults are for somebody who tries it out: nothing needs to be set,
// and what would need a server is in the process.
func tandemDefaults() map[string]string {
	return map[string]string{
		"APP_ENV":   string(Development),
		"OPS_ADDR":  "127.0.0.1:8081",
		"REDIS_URL": "", // embedded
	}
}

func (c *Tandem) derive(lookup Lookup) {
	c.EmbeddedRedis = !anySet(lookup, "REDIS_URL", "REDIS_URL_FILE", "REDIS_ADDRS")
	c.CatchMail = !anySet(lookup, "SMTP_URL", "SMTP_URL_FILE")
	c.API.derive()
	c.Worker.derive()
	c.Worker.Files.PublicURL = c.API.Files.PublicURL // it knows the port
}

func (c *Tandem) check(p *problems) {
	c.API.check(p)
	c.Worker.check(p)
	p.require(!c.EmbeddedRedis || c.API.Redis.WaitReplicas == 0, "REDIS_WAIT_REPLICAS", "needs a Redis of its own, named by REDIS_URL: the embedded one has no replicas")
}

// Validate reports everything that is wrong, as an *Error. Loading does it too.
func (c *Tandem) Validate() error {
	var p problems
	c.check(&p)
	return p.err()
}

func anySet(lookup Lookup, names ...string) bool {
	for _, name := range names {
		if trimmed(lookup, name) != "" {
			return true
		}
	}
	return false
}
