package email_test

import (
	"fmt"

	"github.com/tandemq/tandem/internal/email"
)

func ExampleValidate() {
	mail := email.Payload{Template: "welcome", To: "ada@example.com"}
	fmt.Println(email.Validate(mail))

	mail.Data = map[string]any{"name": "Ada", "verifyUrl": "javascript:alert(1)"}
	fmt.Println(email.Validate(mail))

	mail.Data["verifyUrl"] = "https://app.example.com/verify?token=3kXq"
	fmt.Println(email.Validate(mail))
	// Output:
	// data.name: is required: who signed up (text)
	// data.verifyUrl: must be a link that starts with https:// or http://
	// <nil>
}

func ExampleRender() {
	subject, _, _, err := email.Render(email.Payload{
		Template: "export-ready",
		To:       "ada@example.com",
		Data:     map[string]any{"filename": "orders.csv", "downloadUrl": "https://app.example.com/d/8c1f"},
	})
	fmt.Println(subject, err)
	// Output:
	// Your export is ready: orders.csv <nil>
}
