// Package storage keeps files: in a directory, or in an S3 bucket.
//
// A file lives under a key like exports/3f2a….csv, which its maker chooses and
// which a second Put replaces as a whole: a reader sees the old file or the new
// one, never a part. Whoever may read it gets a URL that ends by itself:
//
//	FS   https://tandem.example/api/v1/artifacts/ID/download?owner=…&expires=…&kid=…&sig=…
//	     signed by Signer, checked with Signer.Verify and served by the API
//	S3   https://bucket.example/exports/3f2a….csv?X-Amz-…
//	     presigned, served by the object store itself; with credentials that
//	     end before it, such as a machine's own, an address like that of FS
//
// Both drivers are a Store and pass one conformance suite. Users of this
// package declare the few methods they need themselves.
package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"regexp"
	"time"
)

// ErrNotFound: nothing is stored under the key.
var ErrNotFound = errors.New("file not found")

// Store is what both drivers do.
type Store interface {
	// Put stores everything that r gives, and replaces what was there once all
	// of it is safe. After an error the key holds what it held before.
	Put(ctx context.Context, key string, r io.Reader, meta Meta) (Object, error)
	// Open reads a file; ErrNotFound when there is none. Close it.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error)
	// Delete removes a file. One that is not there is not an error.
	Delete(ctx context.Context, key string) error
	// SignedURL is where the file can be downloaded until link.Expires.
	SignedURL(ctx context.Context, link Link) (string, error)
	// Check reports whether files can be stored now; for health checks.
	Check(ctx context.Context) error
	// Close releases what the driver holds.
	Close() error
}

// Meta describes a file to whoever downloads it.
type Meta struct {
	ContentType string // empty is application/octet-stream
}

// Object is what Put stored.
type Object struct {
	Bytes  int64
	SHA256 string // of the content, in hexadecimal
}

// Info is what is known of a stored file.
type Info struct {
	Bytes    int64
	Modified time.Time
}

// Link asks for a download URL.
type Link struct {
	Key      string
	Path     string // where the API serves the file: /api/v1/artifacts/ID/download
	Filename string // what a browser saves it as
	Owner    string // whose file it is
	Expires  time.Time
}

// Options are for Open. Signer and PublicURL are needed by the directory driver,
// and by S3 without a key and secret of its own.
type Options struct {
	Signer    *Signer
	PublicURL string           // where clients reach the API: https://tandem.example
	Now       func() time.Time // nil is time.Now
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// Open makes the Store that a URL names:
//
//	file:///var/lib/tandem/files
//	s3://KEY:SECRET@host[:port]/bucket?region=eu-central-1&tls=true&public=https://files.example
//
// An s3 URL without KEY:SECRET takes the credentials of the environment or of
// the machine. tls is on unless it is false; region is us-east-1 when left out;
// public is the host that clients use, when it is another than the service's.
// Errors never repeat the URL, which holds a secret.
func Open(rawURL string, o Options) (Store, error) {
	address, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if address.Scheme == "s3" {
		return openS3(address, o)
	}
	return OpenFS(address.Path, o)
}

// CheckURL says whether Open can read a URL. It opens nothing.
func CheckURL(rawURL string) error {
	address, err := parseURL(rawURL)
	if err != nil || address.Scheme != "s3" {
		return err
	}
	_, err = newS3(address)
	return err
}

func parseURL(rawURL string) (*url.URL, error) {
	address, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, errors.New("storage: not a URL; use file:///path or s3://key:secret@host/bucket")
	case address.Scheme != "file" && address.Scheme != "s3":
		return nil, errors.New("storage: the URL must begin with file:// or s3://")
	case address.Scheme == "file" && (address.Host != "" || address.Path == "" || address.RawQuery != ""):
		return nil, errors.New("storage: a file URL has three slashes and a path: file:///var/lib/tandem/files")
	}
	return address, nil
}

// keyPattern allows no empty, hidden or dotted part, so a key cannot leave the
// directory, nor meet the driver's own files.
var keyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$`)

const maxKey = 512

func checkKey(key string) error {
	if len(key) > maxKey || !keyPattern.MatchString(key) {
		return fmt.Errorf("storage: %q is not a key: lower-case letters, digits, dots and dashes, in parts divided by /", key)
	}
	return nil
}

// meter passes a stream on, and knows its length and hash at the end. It stops
// when its context does, however fast the source is.
type meter struct {
	ctx    context.Context
	source io.Reader
	hash   hash.Hash
	bytes  int64
}

func newMeter(ctx context.Context, source io.Reader) *meter {
	return &meter{ctx: ctx, source: source, hash: sha256.New()}
}

func (m *meter) Read(p []byte) (int, error) {
	if m.ctx.Err() != nil {
		return 0, context.Cause(m.ctx)
	}
	n, err := m.source.Read(p)
	m.hash.Write(p[:n])
	m.bytes += int64(n)
	return n, err
}

func (m *meter) object() Object {
	return Object{Bytes: m.bytes, SHA256: hex.EncodeToString(m.hash.Sum(nil))}
}

// Redact is a storage URL that may be logged: without its credentials.
func Redact(rawURL string) string {
	address, err := url.Parse(rawURL)
	if err != nil {
		return "(not a URL)"
	}
	address.User = nil
	return address.String()
}
