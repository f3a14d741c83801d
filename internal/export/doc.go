// Package export turns a query into a file that its user can download.
//
//	API     Validate ──▶ a job {format, query, userId}        (this package alone)
//	                          │
//	worker  Exporter.Run ─────┘
//	          Compile ▶ rows from the database, one at a time
//	                  ▶ an Encoder (package render)
//	                  ▶ a temporary file ▶ Files.Put ▶ Artifacts.Create ▶ Result
//
// What is promised:
//   - The memory taken does not grow with the rows: 1,000,000 rows of CSV take
//     what 1,000 take. Only a PDF is held whole, and its rows are capped.
//   - A job that runs twice leaves one file and one artifact: key and id are
//     made from the job, and the later run replaces the earlier one. The same
//     id used by another tenant or user, or for another format, is another file.
//   - A file belongs to the user whose rows it holds. One with the rows of all
//     users belongs to the user who asked, or to nobody, not to the one who is
//     named.
//   - A half-written file is never stored: the encoder finishes first.
//   - What cannot get better fails the job at once (jobs.Unrecoverable): a bad
//     query, a value that the database refuses, too many rows for a PDF, a file
//     over the limit. A database or a storage that does not answer is an
//     ordinary error, and the job is retried.
//
// This package links no encoder, so the API can check payloads with it and stay
// small. Only the worker imports render.
package export
