// Package web is the HTTP side of the comparison: a client that loads a server
// with one request over and over, and the least server that could answer it.
package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandemq/tandem/bench/internal/peer"
	"github.com/tandemq/tandem/bench/internal/work"
)

// Key is the API key that the requests carry.
const Key = "bench-0123456789abcdef"

// body is what is posted: a mail.
const body = `{"template":"generic","to":"ada@example.com","data":{"heading":"News","message":"This mail was sent by a job."}}`

// Load prepares the work of that name. Connections are opened before it begins.
func Load(ctx context.Context, w work.Work) (peer.Job, error) {
	if w.Kind != work.Load {
		return peer.Job{}, fmt.Errorf("unknown work %q", w.Kind)
	}
	l := &load{work: w, request: request(w.Target)}
	if err := l.dial(ctx); err != nil {
		return peer.Job{}, errors.Join(err, l.close())
	}
	return peer.Job{Run: l.run, End: l.close}, nil
}

// request is the bytes on the wire. They are the same every time: a client that
// costs little leaves the machine to the server.
func request(target string) []byte {
	return fmt.Appendf(nil, "POST /api/v1/emails HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", target, Key, len(body), body)
}

type load struct {
	work    work.Work
	request []byte
	conns   []net.Conn
	next    atomic.Int64
}

func (l *load) dial(ctx context.Context) error {
	var dialer net.Dialer
	for range l.work.Producers {
		conn, err := dialer.DialContext(ctx, "tcp", l.work.Target)
		if err != nil {
			return err
		}
		l.conns = append(l.conns, conn)
	}
	return nil
}

func (l *load) close() error {
	var failures []error
	for _, conn := range l.conns {
		failures = append(failures, conn.Close())
	}
	return errors.Join(failures...)
}

// run sends all requests, each connection one after the other.
func (l *load) run(context.Context) (work.Result, error) {
	var clients sync.WaitGroup
	answers := make([]tries, len(l.conns))
	started := time.Now()
	for i, conn := range l.conns {
		clients.Go(func() { answers[i] = l.client(conn) })
	}
	clients.Wait()
	return summed(answers, l.work.Jobs, time.Since(started))
}

// tries is what one client saw.
type tries struct {
	ms     []float64
	failed int   // answers other than 202
	err    error // what ended it early
}

func summed(answers []tries, jobs int, took time.Duration) (work.Result, error) {
	r := work.Result{Jobs: jobs, Seconds: took.Seconds()}
	var all []float64
	for _, a := range answers {
		if a.err != nil {
			return r, a.err
		}
		r.Failed += a.failed
		all = append(all, a.ms...)
	}
	if r.Failed > 0 {
		return r, fmt.Errorf("%d of %d requests were not answered with 202", r.Failed, jobs)
	}
	r.P50Ms, r.P99Ms = work.Quantile(all, 0.5), work.Quantile(all, 0.99)
	return r, nil
}

func (l *load) client(conn net.Conn) tries {
	var seen tries
	answers := bufio.NewReader(conn)
	for l.next.Add(1) <= int64(l.work.Jobs) {
		sent := time.Now()
		if _, err := conn.Write(l.request); err != nil {
			return tries{err: err}
		}
		status, err := readAnswer(answers)
		if err != nil {
			return tries{err: err}
		}
		if status != http.StatusAccepted {
			seen.failed++
		}
		seen.ms = append(seen.ms, float64(time.Since(sent))/float64(time.Millisecond))
	}
	return seen
}

// readAnswer reads one answer with a Content-Length and drops its body.
func readAnswer(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read an answer: %w", err)
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, fmt.Errorf("read an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, fmt.Errorf("read an answer: status: %w", err)
	}
	length, err := readHeader(r)
	if err != nil {
		return 0, err
	}
	if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
		return 0, fmt.Errorf("read the body of an answer: %w", err)
	}
	return status, nil
}

var errNoLength = errors.New("an answer without a Content-Length")

func readHeader(r *bufio.Reader) (length int, err error) {
	length = -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read the header of an answer: %w", err)
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if len(name) == 0 {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("read the header of an answer: %w", err)
			}
		}
	}
	if length < 0 {
		return 0, errNoLength
	}
	return length, nil
}
