package server

import (
	"errors"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"": 7, "0": 0, "0.15": 150, "1": 1000, "2": 2, "2GiB": 2 << 30, "1.5 MiB": 3 << 19, "3kB": 3000, "10B": 10,
	} {
		if got, err := Size("memory", text, 1000, 7); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "x", "GiB", "NaN", "1e300", "Inf", "5 parsecs"} {
		if got, err := Size("memory", text, 1000, 7); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestDivide(t *testing.T) {
	s, err := divide(16<<30, "", "", "")
	if err != nil || s.total != 8<<30 || s.data+s.responses+s.flight+programBytes != s.total {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := divide(1<<30, "", "0", "0"); err != nil || s.data != 0 || s.responses != 0 {
		t.Errorf("caches off: %+v, %v", s, err)
	}
	if _, err := divide(16<<30, "1GiB", "2GiB", ""); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("a cache larger than all: %v", err)
	}
}
