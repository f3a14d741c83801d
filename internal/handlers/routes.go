package handlers

import (
	"net/http"
	"time"
)

// bodyKind says what body a route takes.
type bodyKind int

const (
	noBody   bodyKind = iota
	jsonBody          // up to Options.BodyLimit
	bulkBody          // JSON up to Options.BulkBodyLimit
	formBody          // JSON or a form, up to Options.BodyLimit
)

// route is one line of the table below: everything that is decided before a
// handler runs.
type route struct {
	method, path string
	scope        Scope
	body         bodyKind
	idempotent   bool
	accounts     bool          // bounded by address and strictly
	signed       bool          // a signed link will do in place of the scope
	quiet        bool          // logged at debug level, and not rate limited
	patience     time.Duration // for the whole answer; 0 is the ordinary deadline
	// waits reports whether a request waits for a job, which is counted apart;
	// nil is never.
	waits func(*API, *http.Request) bool

	id, summary string
	status      int // of success
	add         func(a *API, r *route)
	short       shortcut // nil for most
}

// routes is the whole API: every address, and who may call it.
func (a *API) routes() []*route {
	all := []*route{
		{method: "POST", path: "/register", scope: public, body: jsonBody, idempotent: true, accounts: true,
			id: "register", summary: "Sign up; a mail with a link follows", status: 201, add: typed((*API).register)},
		{method: "GET", path: "/verify", scope: public, accounts: true,
			id: "verify-page", summary: "A page with a button that confirms an address", status: 200, add: plain((*API).askVerify, docVerifyPage)},
		{method: "POST", path: "/verify", scope: public, body: formBody, accounts: true,
			id: "verify", summary: "Confirm an address", status: 200, add: plain((*API).verify, docVerify)},

		{method: "POST", path: "/api/v1/emails", scope: WriteJobs, body: jsonBody, idempotent: true,
			id: "add-email", summary: "Send a mail", status: 202, add: queueing((*API).addEmail)},
		{method: "POST", path: "/api/v1/exports", scope: WriteJobs, body: jsonBody, idempotent: true,
			id: "add-export", summary: "Make a file of rows", status: 202, add: queueing((*API).addExport)},
		{method: "POST", path: "/api/v1/reports", scope: WriteJobs, body: jsonBody, idempotent: true,
			id: "add-report", summary: "Make a report", status: 202, add: queueing((*API).addReport)},
		{method: "POST", path: "/api/v1/jobs", scope: WriteJobs, body: jsonBody, idempotent: true,
			id: "add-job", summary: "Add a job of any type", status: 202, add: queueing((*API).addJob)},
		{method: "POST", path: "/api/v1/jobs/bulk", scope: WriteJobs, body: bulkBody, idempotent: true, patience: 30 * time.Second,
			id: "add-jobs", summary: "Add up to 1,000 jobs", status: 202, add: typed((*API).addBulk)},

		{method: "GET", path: "/api/v1/jobs/{queue}/{id}", scope: ReadJobs, waits: whenAsked, patience: a.o.MaxWait + 10*time.Second,
			id: "get-job", summary: "Look at a job, or wait for it", status: 200, add: typed((*API).getJob)},
		{method: "GET", path: "/api/v1/jobs/{queue}/{id}/events", scope: ReadJobs, waits: always, patience: time.Minute,
			id: "stream-job", summary: "Follow a job until it is finished", status: 200, add: plain((*API).streamJob, docStream)},
		{method: "GET", path: "/api/v1/artifacts/{id}/download", scope: ReadJobs, signed: true, patience: 30 * time.Minute,
			id: "download", summary: "Fetch a file that a job made", status: 200, add: plain((*API).download, docDownload)},

		{method: "GET", path: "/api/v1/queues", scope: ReadQueues,
			id: "list-queues", summary: "All queues, with their counts", status: 200, add: typed((*API).listQueues)},
		{method: "GET", path: "/api/v1/queues/{queue}", scope: ReadQueues,
			id: "get-queue", summary: "One queue, with its counts", status: 200, add: typed((*API).getQueue)},
		{method: "GET", path: "/api/v1/queues/{queue}/jobs", scope: ReadQueues,
			id: "list-jobs", summary: "The jobs of a queue, in pages", status: 200, add: typed((*API).listJobs)},

		{method: "GET", path: "/version", scope: public, quiet: true,
			id: "version", summary: "What runs here", status: 200, add: plain((*API).version, docJSON)},
		{method: "GET", path: "/openapi.json", scope: public, quiet: true,
			id: "openapi", summary: "This API as OpenAPI 3.1", status: 200, add: plain((*API).openAPI, docJSON)},
		{method: "GET", path: "/docs", scope: public, quiet: true,
			id: "docs", summary: "This API as a page", status: 200, add: plain((*API).docs, docHTML)},
		{method: "GET", path: "/docs/style.css", scope: public, quiet: true,
			id: "docs-style", summary: "How the pages look", status: 200, add: plain((*API).style, docCSS)},
	}
	if a.o.Health != nil {
		all = append(all, health("/livez", "Is a restart needed?"), health("/healthz", "The same under another name"),
			health("/readyz", "Is work welcome? ?verbose lists the checks"), health("/health", "Every check, as JSON"))
	}
	return all
}

func health(path, summary string) *route {
	return &route{method: "GET", path: path, scope: public, quiet: true, patience: 10 * time.Second,
		id: path[1:], summary: summary, status: 200, add: plain((*API).health, docHealth)}
}

func (a *API) health(w http.ResponseWriter, r *http.Request) { a.o.Health.ServeHTTP(w, r) }

// key is how a route is found.
func (r *route) key() string { return r.method + " " + r.path }
