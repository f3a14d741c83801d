package mailcatch

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// links are the web addresses of a mail, in order, each once. They are listed
// beside the sandboxed frame, in which nothing can be followed.
func links(text, htmlPart string) []string {
	var found []string
	for _, link := range append(htmlLinks(htmlPart), textLinks(text)...) {
		if isWeb(link) && !slices.Contains(found, link) {
			found = append(found, link)
		}
	}
	return found
}

func htmlLinks(part string) []string {
	var found []string
	for tokens := html.NewTokenizer(strings.NewReader(part)); tokens.Next() != html.ErrorToken; {
		token := tokens.Token()
		if token.Type != html.StartTagToken || token.Data != "a" {
			continue
		}
		for _, a := range token.Attr {
			if a.Key == "href" {
				found = append(found, strings.TrimSpace(a.Val))
			}
		}
	}
	return found
}

var webAddress = regexp.MustCompile(`https?://[^\s<>"]+`)

// textLinks leaves out the punctuation of the sentence that a link ends.
func textLinks(part string) []string {
	found := webAddress.FindAllString(part, -1)
	for i := range found {
		found[i] = strings.TrimRight(found[i], ".,;:!?)]'")
	}
	return found
}

func isWeb(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
