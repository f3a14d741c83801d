package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthcheck asks the program that runs on this machine whether it is ready.
// It is what a container without a shell or curl has for a HEALTHCHECK.
func (p *Program) healthcheck() Command {
	return Command{Name: "healthcheck", Summary: "ask the running program whether it is ready", Run: func(ctx context.Context, env Env) error {
		address := p.OpsAddr
		if named, ok := env.Lookup("OPS_ADDR"); ok && strings.TrimSpace(named) != "" {
			address = strings.TrimSpace(named)
		}
		return askReady(ctx, address, env.Stdout)
	}}
}

// healthcheckTimeout is for the whole of it. A check that decides about readiness
// takes less, so that its answer is heard.
const healthcheckTimeout = 5 * time.Second

// askReady fails unless /readyz says that all is well. What it says goes to w, and
// when it is red also why. The reasons are asked for only then: they come with
// checks that readiness does not need, and those may hang.
func askReady(ctx context.Context, address string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	host, err := dialable(address)
	if err != nil {
		return err
	}
	readiness := "http://" + host + "/readyz"
	status, said, err := read(ctx, readiness)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		if _, reasons, err := read(ctx, readiness+"?verbose"); err == nil {
			said = reasons
		}
		err = fmt.Errorf("not ready: %d %s", status, http.StatusText(status))
	}
	_, failure := w.Write(said)
	return errors.Join(err, failure)
}

// read gets a short text. Its transport is not the default one, which would ask
// a proxy.
func read(ctx context.Context, url string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return response.StatusCode, body, err
}

// dialable turns where a server listens into where it can be reached from here.
func dialable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("OPS_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}
