package users

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHashingIsBoundedAndStopsWaitingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher := NewHasher(1)
		hasher.slots <- struct{}{} // somebody is hashing

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := hasher.Hash(ctx, "correct horse"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want context.DeadlineExceeded", err)
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v", waited)
		}

		<-hasher.slots
		for range 2 { // a slot is given back
			if _, err := hasher.Hash(t.Context(), "correct horse"); err != nil {
				t.Error(err)
			}
		}
	})
}
