// Package users is about accounts: signing up, and proving an address.
//
//	Register ──▶ one SQL transaction: users (pending) + verification_tokens + outbox
//	                                                                             │ relay
//	              the mail "welcome" with a link ◀── worker ◀── queue "email" ◀──┘
//	Peek     ──▶ is the link good? changes nothing, so that a mail scanner may follow it
//	Consume  ──▶ the token is used, the account active
//
// Nobody can learn from Register whether an address has an account: a known one
// takes as long, gives an answer of the same shape, and sends the mail
// "account-exists" to the owner instead, at most one an hour. A registration that was never
// confirmed holds its address for as long as its link is good; then the next one
// takes its place, name and password included.
//
// A token is in the mail and nowhere else for long: the table has its SHA-256,
// and the outbox empties a payload once it was handed over.
package users
