package report

import "time"

// Result is what a report job returns: where its files are, and until when.
type Result struct {
	Title       string    `json:"title"`
	ReportType  string    `json:"reportType"`
	Period      string    `json:"period"`      // the range in words: 1 – 31 January 2026
	DownloadURL string    `json:"downloadUrl"` // the html page
	PDFURL      string    `json:"pdfUrl"`
	JSONURL     string    `json:"jsonUrl"` // the numbers
	ArtifactID  string    `json:"artifactId"`
	ExpiresAt   time.Time `json:"expiresAt"`
	Empty       bool      `json:"empty"` // nothing happened in the range
	Bytes       int64     `json:"bytes"` // of the three files together
}
