package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client speaks to the API as its user would.
type client struct {
	base string
	key  string
	http *http.Client
}

// callTimeout bounds one call, the long poll included.
const callTimeout = 40 * time.Second

func newClient(base, key string) *client {
	return &client{base: base, key: key, http: &http.Client{Timeout: callTimeout}}
}

// queued is what the API says of a job that it accepted.
type queued struct {
	JobID     string `json:"jobId"`
	StatusURL string `json:"statusUrl"`
}

// jobView is the part of a job's status that the tour shows.
type jobView struct {
	Queue        string         `json:"queue"`
	Status       string         `json:"status"`
	Result       map[string]any `json:"result"`
	FailedReason string         `json:"failedReason"`
}

func (c *client) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return c.call(ctx, http.MethodPost, path, bytes.NewReader(text), into)
}

// job returns a job's status once it has its outcome, or after a while.
func (c *client) job(ctx context.Context, statusURL string) (jobView, error) {
	var view jobView
	err := c.call(ctx, http.MethodGet, statusURL+"?wait=20s", nil, &view)
	return view, err
}

// download fetches a file by its signed link and returns its size.
func (c *client) download(ctx context.Context, url string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("download: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, fmt.Errorf("download: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("download: %s", response.Status)
	}
	return io.Copy(io.Discard, response.Body)
}

func (c *client) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(text)))
	}
	return json.Unmarshal(text, into)
}

// mailbox looks at the caught mails.
type mailbox struct {
	url  string
	http *http.Client
}

func newMailbox(url string) *mailbox {
	return &mailbox{url: url, http: &http.Client{Timeout: callTimeout}}
}

// mailRhythm is how often to look for a mail that has not come yet.
const mailRhythm = 50 * time.Millisecond

// wait returns the subject of the newest mail once n have come.
func (m *mailbox) wait(ctx context.Context, n int) (subject string, err error) {
	ticker := time.NewTicker(mailRhythm)
	defer ticker.Stop()
	for {
		mails, err := m.list(ctx)
		if err != nil {
			return "", err
		}
		if len(mails) >= n {
			return mails[0].Subject, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for mail %d: %w", n, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func (m *mailbox) list(ctx context.Context) ([]struct {
	Subject string `json:"subject"`
}, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"mails.json", nil)
	if err != nil {
		return nil, fmt.Errorf("look for mails: %w", err)
	}
	response, err := m.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("look for mails: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Mails []struct {
			Subject string `json:"subject"`
		} `json:"mails"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("look for mails: %w", err)
	}
	return answer.Mails, nil
}
