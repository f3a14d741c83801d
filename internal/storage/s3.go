package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 keeps files in a bucket of S3 or of a server that speaks its protocol.
type S3 struct {
	client *minio.Client
	public *minio.Client // signs URLs for the host that clients use
	bucket string
	links  *links // for credentials that end before the links; nil when nobody said how
	now    func() time.Time
}

var _ Store = (*S3)(nil)

const (
	// partSize is what an upload of unknown length holds in memory. S3 takes
	// 10,000 parts, so a file may have 80 GB.
	partSize = 8 << 20
	// maxPresign is the longest that a presigned URL can live: a rule of S3.
	maxPresign = 7 * 24 * time.Hour
	// retries is small because the job that stores a file is itself retried.
	retries = 3
)

func openS3(address *url.URL, o Options) (*S3, error) {
	s, err := newS3(address)
	if err != nil {
		return nil, err
	}
	s.now = o.now
	s.links, err = newLinks(o)
	if err != nil && address.User == nil {
		return nil, fmt.Errorf("storage: credentials of the machine: %w", err)
	}
	return s, nil
}

// newS3 reads the URL. It asks nobody, for credentials neither.
func newS3(address *url.URL) (*S3, error) {
	bucket := strings.Trim(address.Path, "/")
	if address.Host == "" || bucket == "" || strings.Contains(bucket, "/") {
		return nil, errors.New("storage: an s3 URL names a host and a bucket: s3://key:secret@host/bucket")
	}
	options, err := s3Options(address)
	if err != nil {
		return nil, err
	}
	client, err := minio.New(address.Host, options)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	public, err := publicClient(address.Query().Get("public"), client, options)
	if err != nil {
		return nil, err
	}
	return &S3{client: client, public: public, bucket: bucket}, nil
}

func s3Options(address *url.URL) (*minio.Options, error) {
	query := address.Query()
	for name := range query {
		if name != "region" && name != "tls" && name != "public" {
			return nil, fmt.Errorf("storage: an s3 URL has no setting %q; it has region, tls and public", name)
		}
	}
	o := &minio.Options{Creds: s3Credentials(address.User), Secure: true, Region: "us-east-1", MaxRetries: retries}
	if region := query.Get("region"); region != "" {
		o.Region = region
	}
	if tls := query.Get("tls"); tls != "" {
		secure, err := strconv.ParseBool(tls)
		if err != nil {
			return nil, errors.New("storage: tls must be true or false")
		}
		o.Secure = secure
	}
	return o, nil
}

func s3Credentials(user *url.Userinfo) *credentials.Credentials {
	if user == nil {
		return credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.IAM{}})
	}
	secret, _ := user.Password()
	return credentials.NewStaticV4(user.Username(), secret, "")
}

func publicClient(rawURL string, same *minio.Client, o *minio.Options) (*minio.Client, error) {
	if rawURL == "" {
		return same, nil
	}
	address, err := url.Parse(rawURL)
	if err != nil || address.Host == "" || strings.Trim(address.Path, "/") != "" {
		return nil, errors.New("storage: public must be a URL with a host only, like https://files.example")
	}
	options := *o
	options.Secure = address.Scheme != "http"
	client, err := minio.New(address.Host, &options)
	if err != nil {
		return nil, fmt.Errorf("storage: public: %w", err)
	}
	return client, nil
}

// Put sends a short file at once and a longer one in parts; a part is all that
// is held in memory.
func (s *S3) Put(ctx context.Context, key string, r io.Reader, meta Meta) (Object, error) {
	if err := checkKey(key); err != nil {
		return Object{}, err
	}
	content := newMeter(ctx, r)
	if err := s.send(ctx, key, content, meta); err != nil {
		return Object{}, fmt.Errorf("store %s: %w", key, err)
	}
	return content.object(), nil
}

func (s *S3) send(ctx context.Context, key string, content io.Reader, meta Meta) error {
	var head bytes.Buffer
	n, err := io.Copy(&head, io.LimitReader(content, 1<<20))
	if err != nil {
		return err
	}
	size, body := n, io.Reader(bytes.NewReader(head.Bytes()))
	if n == 1<<20 {
		size, body = -1, io.MultiReader(&head, content)
	}
	_, err = s.client.PutObject(ctx, s.bucket, key, body, size, minio.PutObjectOptions{
		ContentType: meta.ContentType,
		PartSize:    partSize,
		// Every server checks an MD5; not every one understands a body that is
		// cut into signed chunks, which is what the client sends otherwise.
		SendContentMd5:       true,
		DisableContentSha256: true,
	})
	return err
}

// Open implements Store.
func (s *S3) Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	if err := checkKey(key); err != nil {
		return nil, Info{}, err
	}
	object, err := s.client.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, Info{}, fmt.Errorf("open %s: %w", key, err)
	}
	info, err := object.Stat() // asks the server; GetObject has not
	if err != nil {
		return nil, Info{}, errors.Join(fmt.Errorf("open %s: %w", key, meaning(err)), object.Close())
	}
	return object, Info{Bytes: info.Size, Modified: info.LastModified.UTC()}, nil
}

// meaning tells a missing file from a server that does not answer. A missing
// bucket is the second: it may come back, a file does not.
func meaning(err error) error {
	answer := minio.ToErrorResponse(err)
	if answer.StatusCode == http.StatusNotFound && answer.Code != minio.NoSuchBucket {
		return errors.Join(ErrNotFound, err)
	}
	return err
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	err := meaning(s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// SignedURL is a presigned GET, of seven days at most. What temporary credentials
// sign ends with their session, in hours or minutes, so with them it is the API's
// own address.
func (s *S3) SignedURL(ctx context.Context, link Link) (string, error) {
	if err := checkKey(link.Key); err != nil {
		return "", err
	}
	value, err := s.client.GetCreds()
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", link.Key, err)
	}
	if value.SessionToken != "" && s.links != nil {
		return s.links.sign(link)
	}
	left := link.Expires.Sub(s.now()).Truncate(time.Second)
	if left < time.Second || left > maxPresign {
		return "", fmt.Errorf("sign %s: a presigned URL lives from one second to seven days, not %s", link.Key, left)
	}
	answer := url.Values{"response-content-disposition": {disposition(link.Filename)}}
	address, err := s.public.PresignedGetObject(ctx, s.bucket, link.Key, left, answer)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", link.Key, err)
	}
	return address.String(), nil
}

// disposition makes a browser save the file instead of showing it.
func disposition(filename string) string {
	if filename == "" {
		return "attachment"
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": filename})
}

// Check asks for the bucket.
func (s *S3) Check(ctx context.Context) error {
	there, err := s.client.BucketExists(ctx, s.bucket)
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if !there {
		return fmt.Errorf("storage: the bucket %s does not exist", s.bucket)
	}
	return nil
}

// Close does nothing: connections that are idle end by themselves.
func (s *S3) Close() error { return nil }
