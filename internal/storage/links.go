package storage

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// links makes download URLs that the API serves itself.
type links struct {
	signer  *Signer
	baseURL string // of the API, without a slash at its end
}

func newLinks(o Options) (*links, error) {
	if o.Signer == nil {
		return nil, errors.New("download URLs of the API need a Signer")
	}
	base, err := url.Parse(o.PublicURL)
	if err != nil || base.Host == "" {
		return nil, errors.New("download URLs of the API need its public URL, like https://tandem.example")
	}
	return &links{signer: o.Signer, baseURL: strings.TrimSuffix(o.PublicURL, "/")}, nil
}

// sign is the API's own address of the file, with the Signer's signature.
func (l *links) sign(link Link) (string, error) {
	query, err := l.signer.Sign(Grant{Path: link.Path, Owner: link.Owner, Expires: link.Expires})
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", link.Key, err)
	}
	return l.baseURL + link.Path + "?" + query.Encode(), nil
}
