package mailcatch

import (
	"net/url"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?x?=\r\n\r\nhttps://example.com/"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<a href='https://x.y'>\r\n--b--\r\n"))
	f.Add([]byte("Content-Transfer-Encoding: base64\r\n\r\n!!"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := parse(raw)
		if m.Size != len(raw) || !utf8.ValidString(m.Text) || !utf8.ValidString(m.HTML) {
			t.Errorf("%+v", m)
		}
		for _, link := range m.Links {
			if u, err := url.Parse(link); err != nil || u.Scheme != "http" && u.Scheme != "https" {
				t.Errorf("link %q", link)
			}
		}
	})
}
