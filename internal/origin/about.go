package origin

import "encoding/json"

// Subject is whom a job is about, as its payload says. What it does not say is
// empty.
type Subject struct {
	TenantID string
	UserID   string
}

// About reads the subject from a job's data, by the names that all job types use.
// Data of another form is about nobody. The user that an export of everybody's
// rows names is not its subject: anyone can be named, and would get to see them.
func About(data []byte) Subject {
	var about struct {
		TenantID string `json:"tenantId"`
		UserID   string `json:"userId"`
		AllRows  bool   `json:"allRows"`
	}
	_ = json.Unmarshal(data, &about)
	if about.AllRows {
		about.UserID = ""
	}
	return Subject{TenantID: about.TenantID, UserID: about.UserID}
}
