// Package ledger is what the processes of a campaign write down as it happens.
//
// Every process appends to a file of its own, one write(2) for each line, so that
// whatever it had to say before a SIGKILL is there, and at most the last line is
// torn. A line is
//
//	<time> <kind> <words…>
//
// with the time in microseconds of CLOCK_MONOTONIC, which all processes of a
// machine share and nobody can step. The kinds, and the words that follow:
//
//	P  pid role what            a process: start, stop (asked to), done, gone (killed)
//	I  key want priority due    a producer is about to add the job of that key, which
//	                            must not begin before due; 0 is at once
//	A  key id existed           the add was acknowledged; existed is 0 or 1
//	D  key id "error"           it was denied: the job is not there
//	U  key id "error"           nobody knows: the job may be there
//	L  id token attempt until   a lease was taken or renewed, and holds until
//	S  key id token attempt     a handler begins
//	X  key id                   its effect is done
//	R  id token                 the handler has returned
//	E  id attempt status "error" the outcome is stored, was refused (lost), or nobody
//	                            knows (unsure)
//	V  id name "reason"         the queue's event stream says so
//	F  name what                a fault: begin, end
//	M  goroutines descriptors bytes   vital signs of a process
//
// The key of a job is in its payload and its producer's choice; the id is the
// queue's. They may be the same. Two ids of one key are a duplicate.
package ledger
