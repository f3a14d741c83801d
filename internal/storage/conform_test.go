package storage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tandemq/tandem/internal/storage"
)

// drivers are what the suite below holds to one contract.
var drivers = []struct {
	name string
	open func(t *testing.T) storage.Store
}{
	{"fs", func(t *testing.T) storage.Store { return openFS(t, t.TempDir()) }},
	{"s3", func(t *testing.T) storage.Store { return openS3(t, startS3(t), "files") }},
}

func signer(t *testing.T, secrets ...string) *storage.Signer {
	t.Helper()
	s, err := storage.NewSigner(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const secret = "a secret that is long enough to sign"

func openFS(t *testing.T, dir string) storage.Store {
	t.Helper()
	return open(t, "file://"+dir, storage.Options{Signer: signer(t, secret), PublicURL: "https://tandem.example/"})
}

func open(t *testing.T, address string, o storage.Options) storage.Store {
	t.Helper()
	store, err := storage.Open(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// startS3 is a server in this process with one bucket, and its host.
func startS3(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func openS3(t *testing.T, host, bucket string) storage.Store {
	t.Helper()
	return open(t, fmt.Sprintf("s3://KEY:SECRET@%s/%s?tls=false&region=eu-central-1", host, bucket), storage.Options{})
}

func eachDriver(t *testing.T, test func(t *testing.T, store storage.Store)) {
	for _, driver := range drivers {
		t.Run(driver.name, func(t *testing.T) { test(t, driver.open(t)) })
	}
}

func put(t *testing.T, store storage.Store, key, content string) storage.Object {
	t.Helper()
	object, err := store.Put(t.Context(), key, strings.NewReader(content), storage.Meta{ContentType: "text/csv"})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// content reads a file as a whole; "" and ErrNotFound when there is none.
func content(t *testing.T, store storage.Store, key string) (string, error) {
	t.Helper()
	file, info, err := store.Open(t.Context(), key)
	if err != nil {
		return "", err
	}
	defer file.Close()
	all, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Bytes != int64(len(all)) || info.Modified.IsZero() {
		t.Errorf("info = %+v for %d bytes", info, len(all))
	}
	return string(all), nil
}

func expectContent(t *testing.T, store storage.Store, key, want string) {
	t.Helper()
	if got, err := content(t, store, key); err != nil || got != want {
		t.Errorf("%s holds %q, %v; want %q", key, got, err, want)
	}
}

func TestWhatIsPutCanBeRead(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		object := put(t, store, "exports/a.csv", "one\ntwo\n")
		sum := sha256.Sum256([]byte("one\ntwo\n"))
		if want := (storage.Object{Bytes: 8, SHA256: hex.EncodeToString(sum[:])}); object != want {
			t.Errorf("Put = %+v, want %+v", object, want)
		}
		expectContent(t, store, "exports/a.csv", "one\ntwo\n")
	})
}

func TestAnEmptyFileIsAFile(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		put(t, store, "empty", "")
		expectContent(t, store, "empty", "")
	})
}

func TestASecondPutReplacesTheFile(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		put(t, store, "a/b/c.csv", "a long first version")
		put(t, store, "a/b/c.csv", "second")
		expectContent(t, store, "a/b/c.csv", "second")
	})
}

// The stream is longer than a part, so S3 sends it in several.
func TestALongStreamOfUnknownLengthArrivesWhole(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		const size = 17<<20 + 5
		random := rand.NewChaCha8([32]byte{})
		hash := sha256.New()
		source := io.TeeReader(io.LimitReader(random, size), hash)
		object, err := store.Put(t.Context(), "long.bin", struct{ io.Reader }{source}, storage.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		want := storage.Object{Bytes: size, SHA256: hex.EncodeToString(hash.Sum(nil))}
		if object != want {
			t.Fatalf("Put = %+v, want %+v", object, want)
		}
		file, _, err := store.Open(t.Context(), "long.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		stored := sha256.New()
		if n, err := io.Copy(stored, file); err != nil || n != size {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		if got := hex.EncodeToString(stored.Sum(nil)); got != want.SHA256 {
			t.Errorf("hash of what is stored = %s, want %s", got, want.SHA256)
		}
	})
}

func TestAFileCanBeReadFromTheMiddle(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		put(t, store, "a", "0123456789")
		file, _, err := store.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.Seek(7, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(file); err != nil || string(rest) != "789" {
			t.Errorf("rest = %q, %v", rest, err)
		}
	})
}

func TestABrokenPutLeavesWhatWasThere(t *testing.T) {
	broken := errors.New("the disk of the source is gone")
	eachDriver(t, func(t *testing.T, store storage.Store) {
		put(t, store, "kept", "first")
		for _, length := range []int{3, 9 << 20} {
			source := io.MultiReader(bytes.NewReader(make([]byte, length)), iotest.ErrReader(broken))
			for _, key := range []string{"kept", "never"} {
				if _, err := store.Put(t.Context(), key, source, storage.Meta{}); !errors.Is(err, broken) {
					t.Fatalf("Put = %v, want the source's error", err)
				}
			}
		}
		expectContent(t, store, "kept", "first")
		if _, err := content(t, store, "never"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("half a file was stored: %v", err)
		}
	})
}

func TestPutStopsWithItsContextAndSaysWhy(t *testing.T) {
	reason := errors.New("the worker is stopping")
	eachDriver(t, func(t *testing.T, store storage.Store) {
		ctx, cancel := context.WithCancelCause(t.Context())
		source := readerFunc(func(p []byte) (int, error) {
			cancel(reason)
			return len(p), nil // endless
		})
		if _, err := store.Put(ctx, "endless", source, storage.Meta{}); !errors.Is(err, reason) {
			t.Errorf("Put = %v, want %v", err, reason)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDeleteRemovesAFileAndForgivesAMissingOne(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		put(t, store, "exports/a", "x")
		for range 2 {
			if err := store.Delete(t.Context(), "exports/a"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := content(t, store, "exports/a"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Open after Delete = %v, want ErrNotFound", err)
		}
	})
}

func TestKeysCannotLeaveTheStore(t *testing.T) {
	bad := []string{"", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".tmp/x", ".hidden", "a/.b", "A", "a b", "a\x00b", `a\b`, "é", strings.Repeat("a", 513)}
	eachDriver(t, func(t *testing.T, store storage.Store) {
		for _, key := range bad {
			if _, err := store.Put(t.Context(), key, strings.NewReader("x"), storage.Meta{}); err == nil {
				t.Errorf("Put accepted %q", key)
			}
			if _, _, err := store.Open(t.Context(), key); err == nil {
				t.Errorf("Open accepted %q", key)
			}
			if err := store.Delete(t.Context(), key); err == nil {
				t.Errorf("Delete accepted %q", key)
			}
		}
	})
}

func TestCheckIsContentWithAStoreThatWorks(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		if err := store.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSignedURLsEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, store storage.Store) {
		link := storage.Link{
			Key: "exports/a.csv", Path: "/api/v1/artifacts/a1/download", Filename: "users.csv",
			Owner: "ann", Expires: time.Now().Add(time.Hour),
		}
		address, err := store.SignedURL(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.ToLower(address), "expires=") {
			t.Errorf("no expiry in %s", address)
		}
	})
}
