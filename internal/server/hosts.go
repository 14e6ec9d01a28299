package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/formats/all"
	"github.com/terrazzo-data/terrazzo/internal/host"
)

const (
	// hostShare is the part of our memory that all hosts together may hold
	// before one is replaced; minHost is the least for one.
	hostShare = 0.25
	minHost   = 256 << 20
	// addressFactor is how much more than that one may take in one request.
	addressFactor = 8
)

// Formats are all formats of the program: its own, those built in, and those
// that hosts read, if terrazzo-host is found. Hosts may read what lies in roots,
// and hold memory bytes together. stop ends them. What keeps them from starting
// is said in the log: then such files are listed and say what is missing.
func Formats(p Program, roots []string, memory int64, logger *slog.Logger) (formats []adapter.Format, pool *host.Pool, stop func() error) {
	nothing := func() error { return nil }
	program := host.Find()
	if program == "" {
		return append(p.Formats, all.List()...), nil, nothing
	}
	n := runtime.GOMAXPROCS(0)
	each := max(memory/int64(n), minHost)
	args := []string{"--memory", strconv.FormatInt(addressFactor*each, 10)}
	for _, r := range roots {
		if absolute, err := filepath.Abs(r); err == nil {
			args = append(args, "--root", absolute)
		}
	}
	pool, err := host.Start(host.Options{
		Program: program, Args: args, Processes: n, Memory: each, Log: logger,
		Env: []string{
			"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HDF5_USE_FILE_LOCKING=FALSE", "HDF5_PLUGIN_PRELOAD=::",
			// A host holds little and makes much: with the usual settings
			// it would collect garbage after every few blocks.
			"GOGC=2000", "GOMEMLIMIT=" + strconv.FormatInt(each/2, 10),
		},
	})
	if err != nil {
		logger.LogAttrs(context.Background(), slog.LevelWarn, "terrazzo-host does not start; what it reads is listed only", slog.String("program", program), slog.Any("reason", err))
		return append(p.Formats, all.List()...), nil, nothing
	}
	return append(p.Formats, all.With(pool.Native())...), pool, pool.Close
}

// formats are those of this server, made once.
func (s *Server) formats() ([]adapter.Format, error) {
	if s.readers != nil {
		return s.readers, nil
	}
	var roots []string
	for _, t := range s.config.Trees {
		if t.Tree != "demo" {
			roots = append(append(roots, t.Args.Directory), t.Args.ReadableStorage...)
		}
	}
	share := int64(hostShare * float64(s.split.total))
	formats, pool, stop := Formats(s.program, roots, share, s.log)
	s.readers = formats
	s.closers = append(s.closers, stop)
	if pool == nil {
		return formats, nil
	}
	s.split.hosts = share
	s.split.flight = max(minFlight, s.split.flight-share)
	s.notes = append(s.notes, fmt.Sprintf("files of %d formats are read by %s", len(pool.Greeting().Formats), pool.Greeting().Program))
	counters := map[string]func(host.Stats) int64{
		"started": func(h host.Stats) int64 { return h.Started }, "crashed": func(h host.Stats) int64 { return h.Crashed },
		"killed": func(h host.Stats) int64 { return h.Killed }, "requests": func(h host.Stats) int64 { return h.Requests },
		"retried": func(h host.Stats) int64 { return h.Retried }, "spilled": func(h host.Stats) int64 { return h.Spilled },
	}
	var errs []error
	for name, get := range counters {
		errs = append(errs, s.Telemetry.Counter("terrazzo_hosts_"+name+"_total", "Processes that read files with C libraries, and what they did: "+name+".",
			func() float64 { return float64(get(pool.Stats())) }))
	}
	return formats, errors.Join(errs...)
}
