//go:build containers

package containertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client is a caller of the API, who can also look into the mailbox.
type client struct {
	api, mails string // base URLs
	key        string // "" is the tests' own
}

// job is what the API tells of one.
type job struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Attempts int    `json:"attemptsMade"`
	Started  int    `json:"attemptsStarted"`
	Reason   string `json:"failedReason"`
	Result   struct {
		DownloadURL string `json:"downloadUrl"`
		Rows        int    `json:"rows"`
	} `json:"result"`
}

var patient = http.Client{Timeout: 90 * time.Second}

// ask sends a request and decodes the answer, whose status has to be want.
func (c client) ask(ctx context.Context, method, url, body string, want int, to any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.secret())
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := patient.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("%s %s: %s: %s", method, url, response.Status, text)
	}
	if raw, ok := to.(*[]byte); ok {
		*raw = text
		return nil
	}
	return json.NewDecoder(bytes.NewReader(text)).Decode(to)
}

func (c client) secret() string {
	if c.key != "" {
		return c.key
	}
	return key
}

func (c client) register(t *testing.T, name, address string) {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"email":%q,"password":"correct horse battery"}`, name, address)
	var answer struct{ User struct{ ID string } }
	if err := c.ask(t.Context(), http.MethodPost, c.api+"/register", body, http.StatusCreated, &answer); err != nil {
		t.Fatal(err)
	}
}

// add adds a job and returns its id.
func (c client) add(ctx context.Context, path, body string) (string, error) {
	var answer struct {
		JobID string `json:"jobId"`
	}
	err := c.ask(ctx, http.MethodPost, c.api+path, body, http.StatusAccepted, &answer)
	return answer.JobID, err
}

func (c client) mustAdd(t *testing.T, path, body string) string {
	t.Helper()
	id, err := c.add(t.Context(), path, body)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (c client) job(ctx context.Context, queue, id string) (job, error) {
	var j job
	err := c.ask(ctx, http.MethodGet, c.api+"/api/v1/jobs/"+queue+"/"+id, "", http.StatusOK, &j)
	return j, err
}

// becomes waits until a job has a status.
func (c client) becomes(t *testing.T, queue, id, status string, within time.Duration) job {
	t.Helper()
	var j job
	eventually(t, within, queue+" "+id+" "+status, func(ctx context.Context) (err error) {
		if j, err = c.job(ctx, queue, id); err == nil && j.Status != status {
			err = fmt.Errorf("it is %s, attempts %d, %s", j.Status, j.Attempts, j.Reason)
		}
		return err
	})
	return j
}

// mailed are the addresses that got a mail, and how many each got.
func (c client) mailed(ctx context.Context) (map[string]int, error) {
	var answer struct {
		Messages []struct {
			To []struct{ Address string }
		}
	}
	err := c.ask(ctx, http.MethodGet, c.mails+"/api/v1/messages?limit=5000", "", http.StatusOK, &answer)
	counts := map[string]int{}
	for _, m := range answer.Messages {
		for _, to := range m.To {
			counts[to.Address]++
		}
	}
	return counts, err
}

// getsMail waits until an address has its one mail.
func (c client) getsMail(t *testing.T, address string, within time.Duration) {
	t.Helper()
	eventually(t, within, "mail to "+address, func(ctx context.Context) error {
		counts, err := c.mailed(ctx)
		if err == nil && counts[address] != 1 {
			err = fmt.Errorf("there are %d", counts[address])
		}
		return err
	})
}
