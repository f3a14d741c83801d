package boot

import (
	"context"
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

const healthcheckTimeout = 5 * time.Second

// askReady fails unless /readyz says that all is well. What it says goes to w.
func askReady(ctx context.Context, address string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	host, err := dialable(address)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/readyz?verbose", nil)
	if err != nil {
		return err
	}
	// Not the default transport, which would ask a proxy.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, io.LimitReader(response.Body, 64<<10)); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
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
