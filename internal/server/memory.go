package server

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// A split says how the memory of the process is divided (architecture, law 6).
type split struct {
	ram       int64 // of the machine or container
	total     int64 // all of ours
	data      int64 // blocks held by the data cache
	responses int64 // bodies held by the response cache
	hosts     int64 // the processes that read with C libraries, if there are any
	flight    int64 // everything live while requests are answered
}

const (
	// defaultTotal is our share of the memory, defaultData and
	// defaultResponses those of the caches; the rest, less what the program
	// itself needs, is for requests in flight.
	defaultTotal     = 0.5
	defaultData      = 0.15
	defaultResponses = 0.02
	// programBytes is what the program itself needs.
	programBytes = 192 << 20
	// minFlight is the least with which one large answer can be made.
	minFlight = 96 << 20
)

// divide splits the memory by the settings; empty ones mean the defaults.
func divide(ram int64, memory, data, responses string) (split, error) {
	s := split{ram: ram}
	var err error
	if s.total, err = Size("memory", memory, ram, int64(defaultTotal*float64(ram))); err != nil {
		return s, err
	}
	if s.data, err = Size("data-cache", data, ram, min(int64(defaultData*float64(ram)), s.total/3)); err != nil {
		return s, err
	}
	if s.responses, err = Size("response-cache", responses, ram, min(int64(defaultResponses*float64(ram)), s.total/10)); err != nil {
		return s, err
	}
	s.flight = s.total - s.data - s.responses - programBytes
	if s.flight < minFlight {
		return s, fmt.Errorf("--memory of %d MiB leaves %d MiB for answers, after %d for the data cache, %d for the response cache and %d for the program; at least %d are needed: give more memory or smaller caches: %w",
			s.total>>20, s.flight>>20, s.data>>20, s.responses>>20, programBytes>>20, minFlight>>20, errdef.ErrInvalid)
	}
	return s, nil
}

// Size reads bytes ("2GiB", "500000000") or a fraction of ram ("0.15").
func Size(name, text string, ram, otherwise int64) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return otherwise, nil
	}
	units := []struct {
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
	factor, number, fraction := 1.0, text, true
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			factor, number, fraction = u.bytes, strings.TrimSpace(rest), false
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(value >= 0) || value*factor > 1<<50:
		return 0, fmt.Errorf("--%s: %q is neither bytes, like 2GiB, nor a fraction of memory, like 0.15: %w", name, text, errdef.ErrInvalid)
	case fraction && value <= 1:
		return int64(value * float64(ram)), nil
	}
	return int64(value * factor), nil
}
