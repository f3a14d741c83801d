// Package container lends a Redis that runs in a container. It is a package of
// its own so that only the tests that ask for it link the container libraries:
//
//	func TestMain(m *testing.M) { redistest.Main(m, container.Redis) }
package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// image is the oldest Redis that we support.
const image = "redis:7.0"

// Redis starts a container and returns the server's URL and how to end it. It is
// a redistest.Provider.
func Redis(ctx context.Context) (url string, stop func() error, err error) {
	c, err := testcontainers.Run(ctx, image,
		testcontainers.WithExposedPorts("6379/tcp"),
		testcontainers.WithWaitStrategy(wait.ForLog("Ready to accept connections")),
	)
	stop = func() error { return testcontainers.TerminateContainer(c) }
	if err == nil {
		url, err = c.PortEndpoint(ctx, "6379/tcp", "redis")
	}
	if err != nil {
		return "", nil, fmt.Errorf("redis container: %w", errors.Join(err, stop()))
	}
	return url, stop, nil
}
