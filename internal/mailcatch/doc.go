// Package mailcatch is an SMTP server that delivers nothing: it keeps the last
// mails in memory and shows them on a page, for development and for tests.
//
//	SMTP client ──▶ Catcher ──▶ the last N mails ──▶ Handler: list, one mail, JSON
//	                                            └──▶ Mails, Wait: for tests
//
// What it promises:
//
//   - It listens on loopback only; Listen refuses every other address. Mails
//     carry sign-in links, and nothing here asks who is looking.
//   - It is bounded: by the size of one mail, by how many are kept and by their
//     bytes together. The oldest goes first.
//   - A mail is hostile. Its html is shown in a sandboxed frame without scripts,
//     forms or network, and every page has a Content-Security-Policy that allows
//     nothing but this package's own style sheet.
//   - It can play a server that refuses: Options.Refuse answers one recipient
//     with 451 and another with 550, so that retries can be watched.
package mailcatch
