package container_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/testcontainers/testcontainers-go"

	"github.com/tandemq/tandem/internal/redistest/container"
)

// TestLendsARedis needs a container runtime that has the image or can get it.
// REDISTEST_CONTAINER=1, as on a CI machine with one, forbids skipping.
func TestLendsARedis(t *testing.T) {
	needed := os.Getenv("REDISTEST_CONTAINER") == "1"
	if !needed {
		testcontainers.SkipIfProviderIsNotHealthy(t)
	}
	url, stop, err := container.Redis(t.Context())
	if err != nil && !needed {
		t.Skipf("no container can be had here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
