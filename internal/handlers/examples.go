package handlers

import "encoding/json"

// examples are bodies that the routes accept, by the route's id. They are shown
// in the documents, and a test sends each of them.
func examples() map[string]json.RawMessage {
	return map[string]json.RawMessage{
		"register": json.RawMessage(`{"name":"Ada Lovelace","email":"ada@example.com","password":"correct horse battery staple"}`),
		"add-email": json.RawMessage(`{"template":"welcome","to":"ada@example.com",` +
			`"data":{"name":"Ada","verifyUrl":"https://tandem.example/verify?token=x"},"options":{"priority":"high","maxAttempts":3}}`),
		"add-export": json.RawMessage(`{"format":"csv","userId":"u-42",` +
			`"query":{"dataset":"email_messages","where":{"status":"sent"},"orderBy":["-createdAt"],"limit":1000}}`),
		"add-report": json.RawMessage(`{"reportType":"usage","dateRange":{"start":"2026-01-01","end":"2026-02-01"},"tenantId":"acme"}`),
		"add-job": json.RawMessage(`{"type":"email-report","payload":{"reportJobId":"0198c0de-0000-7000-8000-000000000000","to":"ada@example.com"},` +
			`"options":{"delay":60000,"backoff":{"type":"exponential","delay":2000,"maxDelay":60000,"jitter":0.2}}}`),
		"add-jobs": json.RawMessage(`{"jobs":[{"data":{"type":"report","payload":{"reportType":"sla",` +
			`"dateRange":{"start":"2026-01-01","end":"2026-02-01"},"tenantId":"acme"}},"options":{"jobId":"sla-acme-2026-01","priority":"low"}}]}`),
	}
}

// addExamples puts the examples into the OpenAPI document.
func (a *API) addExamples() {
	all := examples()
	for _, r := range a.table {
		if example, ok := all[r.id]; ok {
			operationAt(a.huma.OpenAPI(), r).RequestBody.Content["application/json"].Example = example
		}
	}
}
