package simulation

import "time"

// What the product is known to break, and what is therefore looked at only with
// -simulation.strict. Whoever mends one of these takes it out of here.
//
//   - An add whose reply was lost is not found again when the server's clock is
//     more than 5 s behind the producer's: a job that has finished and is not
//     kept is then added once more.
//   - A retry by hand whose reply was lost can be done again when the job has
//     finished anew in between, or be told as refused.
//   - A second sending of a fetch that arrives behind the third takes jobs of
//     which nobody hears. They wait until their locks run out, under the token of
//     that fetch, so that an attempt which it began can still end them.

// skews are how far the server's clock may be ahead, and steps by how much it
// may be set, in seconds.
func skews() []int {
	if *strict {
		return []int{0, 0, -3, 3, 120, -120}
	}
	return []int{0, 0, -3, 3, 120}
}

func steps() []int {
	if *strict {
		return []int{-1, 2, 7, 30, -20}
	}
	return []int{-1, 2, 7, 30}
}

// repeats is how often a retry by hand may have been done beside the one time
// that its operator knows of.
func (d *deed) repeats() int {
	if *strict || !resent(d.call, d.at) {
		return 0
	}
	return min(4, int(d.at.Sub(d.call)/(25*time.Millisecond)))
}

// refusedTwice reports a retry that may have been done and then refused.
func (d *deed) refusedTwice() bool { return !*strict && resent(d.call, d.at) }

// holds reports whether the attempt with this token has the job.
func (s lifeState) holds(token string) bool {
	return s.token == token || !*strict && s.token == nobodys
}
