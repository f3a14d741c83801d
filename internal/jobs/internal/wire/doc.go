// Package wire is BullMQ's stored format as values: the names of keys, the
// fields of a job's hash, the packed options, the entries of the event stream.
// It does no I/O. docs/protocol.md describes the format in words.
//
// Other clients write into our keyspace, so every decoder takes what it finds:
// a record that breaks the format becomes an error that names the field, and
// whatever could be read is still there.
package wire
