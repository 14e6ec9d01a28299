package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// TestOpen finds a store by the name before the first colon; the rest is its address.
func TestOpen(t *testing.T) {
	t.Parallel()
	var got store.Settings
	full := errors.New("disk full")
	openers := map[string]store.Opener{
		"mine":   func(_ context.Context, s store.Settings) (store.Store, error) { got = s; return nil, nil },
		"broken": func(context.Context, store.Settings) (store.Store, error) { return nil, full },
	}
	if _, err := store.Open(t.Context(), openers, "mine:tcp://a:1", 7); err != nil || got != (store.Settings{Capacity: 7, Address: "tcp://a:1"}) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := store.Open(t.Context(), openers, "mine", 7); err != nil || got.Address != "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := store.Open(t.Context(), openers, "broken", 7); !errors.Is(err, full) {
		t.Errorf("the opener's error is lost: %v", err)
	}
	_, err := store.Open(t.Context(), openers, "other:x", 7)
	if !errors.Is(err, errdef.ErrInvalid) || !strings.Contains(err.Error(), "broken, mine") {
		t.Errorf("an unknown type: %v", err)
	}
	if _, err := store.Open(t.Context(), nil, "other", 7); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("without openers: %v", err)
	}
}
