// Package email is what sending a mail means here: which mails exist, what each
// needs to know, and how one gets to its recipient once, or not at all with a
// reason.
//
//	api                                  worker
//	Validate(payload)                    Mailer.Send(job)
//	  │ names the field that is wrong      │ validate, render         Renderer
//	  ▼                                    │ sent before? then done   recorder
//	202, the job is stored                 │ deliver                  transport (SMTP)
//	                                       ▼ record                   recorder
//
// A mail is a template by name and the data for it. Each template has an html
// and a text part, a default subject, and a list of the fields that it reads,
// with their kinds; Templates lists them all.
//
// What is promised:
//
//   - Nothing that a caller says can add a header, a recipient or markup:
//     control characters are refused wherever a value could reach a header,
//     there is one recipient, html is escaped, links are http or https.
//   - The Message-ID follows from the job and is the same at each attempt: it is
//     the job's id, or where a caller chose that, a hash of it with its queue
//     and the time at which the job was added. A job that already sent its mail
//     does not send it again, and answers as the first time. One gap stays open
//     and cannot be closed with SMTP: the server takes the mail, and its reply
//     is not written down. It dies, or we do; or the reply takes longer than
//     Server.Final, than the attempt's own timeout, or than a worker that shuts
//     down lets its jobs run on. Then the mail goes out twice under one
//     Message-ID, by which most mail systems show it once.
//   - A refusal of this mail (5xx to its sender, recipient or content) is final.
//     Everything else is tried again: 4xx, the network, TLS, and a server that
//     refuses us rather than the mail, as with a password that has been changed.
//   - Addresses are not logged, and errors do not carry them. The record keeps a
//     keyed hash and a masked form.
package email
