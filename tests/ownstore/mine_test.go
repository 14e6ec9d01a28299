package main

import (
	"testing"

	"github.com/terrazzo-data/terrazzo/store"
	"github.com/terrazzo-data/terrazzo/store/storetest"
)

// TestStore is the suite that every store runs.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, capacity int64) store.Store {
		s, err := Open(t.Context(), store.Settings{Capacity: capacity})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
