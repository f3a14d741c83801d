package jobs_test

import (
	"context"
	"fmt"

	"github.com/tandemq/tandem/internal/embedded"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

type welcomeMail struct{ To string }

// welcome is shared by whoever adds such jobs and whoever runs them.
var welcome = jobs.Define[welcomeMail, string]("email", "welcome")

// Add a job, work it, look at it. Errors are left out here, and only here.
func Example() {
	ctx := context.Background()
	redis, _ := embedded.Start(embedded.Options{})
	defer redis.Close()
	conn, _ := redisconn.Open(redisconn.Options{URL: redis.URL()})
	defer conn.Close()

	// Add: when there is no error, the job is in Redis.
	emails, _ := queue.New(conn, "email", queue.Options{})
	added, _ := queue.On(emails, welcome).Add(ctx, welcomeMail{To: "Ada"}, jobs.Options{Attempts: 3, Priority: jobs.High})
	emails.Close()

	// Work: the handler gets the payload by its type, and its result is stored.
	mux, done := worker.NewMux(), make(chan struct{})
	worker.Handle(mux, welcome, func(_ context.Context, job *worker.Job[welcomeMail]) (string, error) {
		return "Welcome, " + job.Payload.To + "!", nil
	})
	pool, _ := worker.New(conn, "email", mux, worker.Options{OnAttempt: func(worker.Attempt) { close(done) }})
	pool.Start()
	<-done
	pool.WaitForCompletion(worker.DefaultShutdownTimeout)

	// Look.
	operator, _ := admin.New(conn, "", "email")
	job, state, _ := operator.Get(ctx, added.ID)
	fmt.Println(job.Name, "is", state, "after attempt", job.AttemptsMade)
	fmt.Println(string(job.ReturnValue))
	// Output:
	// welcome is completed after attempt 1
	// "Welcome, Ada!"
}
