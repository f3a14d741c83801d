package handlers

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/users"
)

// Adder stores jobs in one queue. Every operation may be sent twice.
type Adder interface {
	// Check reports what Add would refuse before it sends anything.
	Check(name string, payload any, o jobs.Options) error
	Add(ctx context.Context, name string, payload any, o jobs.Options) (Added, error)
	// AddBulk stores items in their order, each or none of a call's at a time as
	// far as Redis allows; every item has its result in its place.
	AddBulk(ctx context.Context, items []Item) ([]Added, error)
}

// Finder reads one queue. Nothing that it does may be slow for Redis.
type Finder interface {
	Counts(ctx context.Context) (Counts, error)
	// Get returns jobs.ErrNotFound when there is no such job, and what could be
	// read together with an error when the stored record is damaged.
	Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error)
	Page(ctx context.Context, state jobs.State, offset, limit int) (page []*jobs.Job, more bool, err error)
}

// Queue is a queue as the API needs it.
type Queue interface {
	Adder
	Finder
}

// Item is one job of a bulk.
type Item struct {
	Name    string
	Payload any
	Options jobs.Options
}

// Added is what became of one job.
type Added struct {
	ID      string
	Existed bool  // a job with this id was there already
	Err     error // of an item of a bulk
}

// Counts is how many jobs of a queue are in each state.
type Counts struct {
	Waiting         int64 `json:"waiting" doc:"Jobs that may start, prioritized ones included."`
	Active          int64 `json:"active" doc:"Jobs that a worker is running."`
	Completed       int64 `json:"completed"`
	Failed          int64 `json:"failed"`
	Delayed         int64 `json:"delayed"`
	Prioritized     int64 `json:"prioritized" doc:"Those of the waiting that have a priority."`
	WaitingChildren int64 `json:"waitingChildren"`
	Paused          bool  `json:"paused"`
	OldestWaitingMs int64 `json:"oldestWaitingMs" doc:"How long the job that is next has stood in line, in ms, without delays and backoffs; 0 when none waits."`
}

// Follower yields the events of a queue, in order and until ctx ends, behind a
// place: the id of an event that was seen, or a moment in unix ms. After an error
// that is jobs.ErrUnavailable, or one that tells of a gap, it goes on; any other
// is the last.
type Follower func(ctx context.Context, queue, from string) iter.Seq2[jobs.Event, error]

// Accounts signs people up; *users.Service does.
type Accounts interface {
	Register(ctx context.Context, r users.Registration) (users.User, error)
	Peek(ctx context.Context, token string) error
	Consume(ctx context.Context, token string) (users.User, error)
}

// Artifacts is the table of files; *store.Artifacts is.
type Artifacts interface {
	Get(ctx context.Context, id string) (store.Artifact, error)
}

// Files opens stored files.
type Files interface {
	// Open returns a file and when it was written; ErrFileMissing if it is gone.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error)
}

// ErrFileMissing says that nothing is stored under a key.
var ErrFileMissing = errors.New("file is missing")

// Links checks signed download URLs and returns whose they are. The error is
// ErrLinkExpired for one that was good once, and anything else for a bad one.
type Links func(method, path string, query url.Values, now time.Time) (owner string, err error)

// ErrLinkExpired says that a signed URL was good once.
var ErrLinkExpired = errors.New("the link has expired")

// Idempotency remembers answers; *store.Idempotency does.
type Idempotency interface {
	Begin(ctx context.Context, scope, key string, body []byte) (store.Ticket, *store.Answer, error)
	Finish(ctx context.Context, t store.Ticket, a store.Answer) error
	Forget(ctx context.Context, t store.Ticket) error
}

// Audit records who did what; *store.Audit does.
type Audit interface {
	Append(ctx context.Context, e store.AuditEntry) error
}

// Rate is so many requests in so much time; the zero value is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// Options are what the API works with. Queues, Catalogue, Accounts, Artifacts,
// Files and Idempotency are needed, and APIKeys, JWT or Open.
type Options struct {
	// Queues by name. A job type whose queue is not here cannot be added.
	Queues map[string]Queue
	// Follow tells what happens in a queue; nil leaves whoever waits for a job
	// to their time limit.
	Follow Follower

	Catalogue   *dataset.Catalogue // what exports may read
	Reports     report.Catalogue   // what reports there are
	Accounts    Accounts
	Artifacts   Artifacts
	Files       Files
	Links       Links // nil: no link is signed by us
	Idempotency Idempotency
	Audit       Audit // nil records nothing

	// Fit says why a job may not be accepted now, because Redis could lose it;
	// nil is when all is well. It must not block: somebody else checks Redis now
	// and then. A nil function is always fit.
	Fit func() error
	// Health answers /livez, /healthz, /readyz and /health; nil leaves them out.
	Health http.Handler
	// Version is what /version shows, as JSON.
	Version any

	// APIKeys are the callers: name:secret[:scopes], see ParseKeys.
	APIKeys []string
	// JWT checks bearer tokens; the zero value accepts none.
	JWT JWT
	// Open lets everybody do everything. It is for development on loopback, and
	// cannot be combined with keys.
	Open bool

	// Requests are counted in this process: a counter that several share would be
	// asked for each of them, one after the other.
	RateLimit    Rate // for each caller
	AccountLimit Rate // for each address, on /register and /verify; zero is 20 a minute
	// TrustedProxies are believed when they say who asks (X-Forwarded-For).
	TrustedProxies []netip.Prefix
	CORSOrigins    []string // may call from web pages
	PublicURL      string   // https here lets browsers insist on it

	BodyLimit     int64         // bytes; 0 is 256 KiB
	BulkBodyLimit int64         // bytes; 0 is 8 MiB
	Deadline      time.Duration // for the work of one request; 0 is 1.7 s
	MaxInFlight   int           // requests at a time; 0 is 1,024
	MaxBulks      int           // bulk requests at a time, whose bodies are large; 0 is 16
	CountsEvery   time.Duration // how long counts are used; 0 is 1 s

	// Those that wait for a job, by ?wait= or an event stream.
	MaxStreams     int           // at a time; 0 is 2,048
	MaxStreamsEach int           // of one caller, or of one address of an open API; 0 is 512
	MaxWait        time.Duration // of ?wait=; 0 is 60 s
	Heartbeat      time.Duration // between signs of life on a stream; 0 is 15 s
	StreamLife     time.Duration // until the client of a stream has to come back; 0 is 5 min

	// Inject adds the trace of a request to the carrier that travels with its
	// jobs; nil passes on a valid traceparent header.
	Inject func(ctx context.Context, carrier map[string]string)

	Logger   *slog.Logger          // nil is silent
	Registry prometheus.Registerer // nil measures nothing
	Now      func() time.Time      // nil is time.Now
}

func (o *Options) defaults() {
	orDefault(&o.BodyLimit, 256<<10)
	orDefault(&o.BulkBodyLimit, 8<<20)
	orDefault(&o.Deadline, 1700*time.Millisecond)
	orDefault(&o.MaxInFlight, 1024)
	orDefault(&o.MaxBulks, 16)
	orDefault(&o.MaxStreams, 2048)
	orDefault(&o.MaxStreamsEach, 512)
	orDefault(&o.MaxWait, time.Minute)
	orDefault(&o.Heartbeat, 15*time.Second)
	orDefault(&o.StreamLife, 5*time.Minute)
	orDefault(&o.CountsEvery, time.Second)
	orDefault(&o.AccountLimit, Rate{20, time.Minute})
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func orDefault[T comparable](value *T, preset T) {
	var zero T
	if *value == zero {
		*value = preset
	}
}

func (o *Options) validate() error {
	needed := map[string]bool{
		"Queues": len(o.Queues) > 0, "Catalogue": o.Catalogue != nil, "Accounts": o.Accounts != nil,
		"Artifacts": o.Artifacts != nil, "Files": o.Files != nil, "Idempotency": o.Idempotency != nil,
	}
	var problems []error
	for name, there := range needed {
		if !there {
			problems = append(problems, jobs.Invalid(name, "is needed"))
		}
	}
	if keyed := len(o.APIKeys) > 0 || o.JWT.Key != ""; keyed == o.Open {
		problems = append(problems, jobs.Invalid("Open", "needs to be false with keys, and true without"))
	}
	return errors.Join(problems...)
}
