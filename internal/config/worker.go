package config

import (
	"regexp"
	"strings"
	"time"
)

// Worker is the configuration of cmd/worker.
type Worker struct {
	Process  `part:"Process"`
	Work     Work      `part:"Work"`
	Mail     Mail      `part:"Mail"`
	Reports  Reports   `part:"Reports"`
	Keep     Retention `part:"Retention"`
	Redis    Redis     `part:"Redis"`
	Database Database  `part:"Database"`
	Files    Files     `part:"Files"`
	Datasets Datasets  `part:"Datasets"`
	Tracing  Tracing   `part:"Tracing"`
}

// Work is about running jobs.
type Work struct {
	OpsAddr           string        `envconfig:"OPS_ADDR" default:":8082" doc:"host:port of the listener for metrics, profiles and health. Keep it from the public."`
	Name              string        `envconfig:"WORKER_NAME" doc:"What this worker is called in jobs and logs. Empty is the host's name and the process id."`
	EmailConcurrency  int           `envconfig:"EMAIL_CONCURRENCY" default:"5" doc:"Mails sent at once."`
	ExportConcurrency int           `envconfig:"EXPORT_CONCURRENCY" default:"2" doc:"Exports made at once."`
	ExportMaxBytes    int64         `envconfig:"EXPORT_MAX_BYTES" default:"1073741824" doc:"Bytes that one export takes at most in the directory for temporary files: its file, and for xlsx the sheets before they are packed too. A larger one fails."`
	ReportConcurrency int           `envconfig:"REPORT_CONCURRENCY" default:"3" doc:"Reports made at once. Reports by mail have as many again."`
	LockDuration      time.Duration `envconfig:"LOCK_DURATION" default:"5s" doc:"How long a job stays with a worker that gives no sign of life. It is renewed after a third of that."`
}

func (c *Work) check(p *problems) {
	checkAddr(p, "OPS_ADDR", c.OpsAddr)
	atLeast(p, "EMAIL_CONCURRENCY", int64(c.EmailConcurrency), 1)
	atLeast(p, "EXPORT_CONCURRENCY", int64(c.ExportConcurrency), 1)
	atLeast(p, "EXPORT_MAX_BYTES", c.ExportMaxBytes, 1<<20)
	atLeast(p, "REPORT_CONCURRENCY", int64(c.ReportConcurrency), 1)
	p.require(c.LockDuration >= time.Second, "LOCK_DURATION", "must be at least 1s")
}

// Mail is about sending mails.
type Mail struct {
	SMTPURL        SecretURL `envconfig:"SMTP_URL" doc:"The mail server: smtp://user:password@host:587, or smtps://. With ?timeout=10s&final=10m it has that long for each step, and to say that it took a mail. Empty is localhost:1025, in development only."`
	From           string    `envconfig:"MAIL_FROM" default:"Tandem <no-reply@tandem.localhost>" doc:"The sender of all mails: an address, or Name <address>."`
	AddressHashKey Secret    `envconfig:"ADDRESS_HASH_KEY" doc:"Keys the hashes under which addresses are recorded; 16 bytes or more. Empty derives one from URL_SIGNING_KEY, and then the hashes change with it."`
}

func (c *Mail) derive(process *Process) {
	if !c.SMTPURL.IsSet() && !process.production() {
		c.SMTPURL = NewSecretURL("smtp://localhost:1025?tls=none")
	}
}

func (c *Mail) check(p *problems, production bool) {
	p.require(c.SMTPURL.IsSet(), "SMTP_URL", "is needed in production: smtp://user:password@host:587")
	p.require(oneOf(c.SMTPURL.scheme(), "smtp", "smtps"), "SMTP_URL", "must begin with smtp:// or smtps://")
	p.require(!production || !strings.Contains(c.From, "localhost"), "MAIL_FROM", "is needed in production: Name <address>")
	if c.AddressHashKey.IsSet() {
		p.require(len(c.AddressHashKey.Reveal()) >= 16, "ADDRESS_HASH_KEY", "must have at least 16 bytes")
	}
}

// Reports is about what reports cover.
type Reports struct {
	DefaultTenant string `envconfig:"DEFAULT_TENANT" default:"default" doc:"The tenant whose reports also have what belongs to no tenant: accounts that people registered, their mails, and the jobs of callers who are bound to none. 1 to 64 letters, digits, dots, dashes or underscores."`
	TimeZone      Zone   `envconfig:"REPORT_TIME_ZONE" default:"UTC" doc:"The IANA name of the time zone whose days the dates of a report are, such as Europe/Berlin."`
	TimeZones     Zones  `envconfig:"REPORT_TIME_ZONES" doc:"Tenants with a time zone of their own, such as acme=Europe/Berlin,globex=America/New_York."`
}

// Zone is the time zone of a tenant.
func (c *Reports) Zone(tenant string) *time.Location {
	if own, ok := c.TimeZones[tenant]; ok {
		return own.Location
	}
	return c.TimeZone.Location
}

// tenantName is what a report can be asked about.
var tenantName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c *Reports) check(p *problems) {
	p.require(tenantName.MatchString(c.DefaultTenant), "DEFAULT_TENANT", "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit")
	for tenant := range c.TimeZones {
		p.require(tenantName.MatchString(tenant), "REPORT_TIME_ZONES", "has %q, which cannot be the name of a tenant", tenant)
	}
}

// Retention says how long things are kept.
type Retention struct {
	CompletedAge   time.Duration `envconfig:"KEEP_COMPLETED_AGE" default:"24h" doc:"How long Redis keeps completed jobs."`
	CompletedCount int           `envconfig:"KEEP_COMPLETED" default:"10000" doc:"How many completed jobs Redis keeps, in each queue."`
	FailedAge      time.Duration `envconfig:"KEEP_FAILED_AGE" default:"336h" doc:"How long Redis keeps failed jobs."`
	FailedCount    int           `envconfig:"KEEP_FAILED" default:"50000" doc:"How many failed jobs Redis keeps, in each queue."`
	History        time.Duration `envconfig:"KEEP_HISTORY" default:"2160h" doc:"How long the database keeps the history of attempts and mails."`
	Audit          time.Duration `envconfig:"KEEP_AUDIT" default:"9600h" doc:"How long the database keeps the audit log."`
}

func (c *Retention) check(p *problems) {
	positive(p, "KEEP_COMPLETED_AGE", c.CompletedAge)
	positive(p, "KEEP_FAILED_AGE", c.FailedAge)
	positive(p, "KEEP_HISTORY", c.History)
	positive(p, "KEEP_AUDIT", c.Audit)
	atLeast(p, "KEEP_COMPLETED", int64(c.CompletedCount), 1)
	atLeast(p, "KEEP_FAILED", int64(c.FailedCount), 1)
}

func (c *Worker) derive() {
	c.Files.derive(&c.Process, "8080")
	c.Mail.derive(&c.Process)
}

// Validate reports everything that is wrong, as an *Error. Loading does it too.
func (c *Worker) Validate() error {
	var p problems
	c.check(&p)
	return p.err()
}

func (c *Worker) check(p *problems) {
	c.Process.check(p)
	c.Work.check(p)
	c.Mail.check(p, c.production())
	c.Reports.check(p)
	c.Keep.check(p)
	c.Redis.check(p)
	c.Database.check(p)
	c.Files.check(p, c.production())
	c.Datasets.check(p)
	c.Tracing.check(p)
}
