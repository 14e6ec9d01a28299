// Package cli is the command line: one file for each command. Commands turn
// flags into settings, and leave the work to the packages they call.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// Program is one run of the program.
type Program struct {
	Args     []string
	Out, Err io.Writer
	Formats  []adapter.Format
	Stores   map[string]store.Opener
}

// say writes to the terminal; if that is gone there is nobody to tell.
func (p *Program) say(format string, args ...any) { _, _ = fmt.Fprintf(p.Err, format, args...) }

// grammar is the command line as kong reads it.
type grammar struct {
	Serve      serveCommand      `cmd:"" help:"Serve data over HTTP."`
	Config     configCommand     `cmd:"" help:"Work with configuration files."`
	Index      indexCommand      `cmd:"" help:"Look into all files of a folder ahead of time, so that searches by metadata answer at once."`
	Formats    formatsCommand    `cmd:"" help:"List the file formats that this installation reads."`
	Proxy      proxyCommand      `cmd:"" help:"Put the response cache, and an offline mode, in front of any Tiled server."`
	Fill       fillCommand       `cmd:"" help:"Fetch nodes through a running proxy, so that it holds them."`
	Ls         lsCommand         `cmd:"" help:"List the members of a container on any Tiled server." group:"client"`
	Tree       treeCommand       `cmd:"" help:"Draw what lies below a node." group:"client"`
	Info       infoCommand       `cmd:"" help:"Say what is known of a node." group:"client"`
	Get        getCommand        `cmd:"" help:"Write a node's data to a file or a pipe." group:"client"`
	Search     searchCommand     `cmd:"" help:"Find members of a container by their metadata." group:"client"`
	Export     exportCommand     `cmd:"" help:"Write a container and all below it to a folder, to Zarr or to HDF5." group:"client"`
	Download   downloadCommand   `cmd:"" help:"Keep nodes for when there is no network." group:"client"`
	Offline    offlineCommand    `cmd:"" help:"Work with what was downloaded." group:"client"`
	Cache      cacheCommand      `cmd:"" help:"Say what is held, refresh it, forget it." group:"client"`
	Login      loginCommand      `cmd:"" help:"Make a profile: a name for a server and who you are there." group:"client"`
	Logout     logoutCommand     `cmd:"" help:"End a session and forget a profile." group:"client"`
	Whoami     whoamiCommand     `cmd:"" help:"Say who you are for a server, and list your profiles." group:"client"`
	Open       openCommand       `cmd:"" help:"Open a node in the web page of its server." group:"client"`
	Bench      benchCommand      `cmd:"" help:"Replay a site's own requests against its Tiled, directly and through our caches, and compare every answer." group:"client"`
	Completion completionCommand `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Man        manCommand        `cmd:"" help:"Write manual pages, one for each command."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
	// Of commands that talk to a server.
	exitNotFound    = 3
	exitForbidden   = 4
	exitUnavailable = 5
	exitOffline     = 6
	// Of commands that were interrupted, as shells have it.
	exitInterrupted = 130
	// Of bench.
	exitDiffers = 7
)

// exitOf is the status for an error. docs/command-line.md lists them.
func exitOf(err error) int {
	for _, status := range []struct {
		err  error
		exit int
	}{
		{client.ErrNotAvailableOffline, exitOffline},
		{errDiffers, exitDiffers},
		{errdef.ErrNotFound, exitNotFound},
		{errdef.ErrUnauthenticated, exitForbidden},
		{errdef.ErrForbidden, exitForbidden},
		{errdef.ErrUnavailable, exitUnavailable},
	} {
		if errors.Is(err, status.err) {
			return status.exit
		}
	}
	return exitError
}

// Run runs the program and returns its exit status.
func Run(ctx context.Context, p Program) int {
	var g grammar
	exit := -1
	parser, err := newParser(&g, kong.Writers(p.Out, p.Err), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { exit = code }), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&p))
	if err != nil {
		p.say("terrazzo: %v\n", err)
		return exitUsage
	}
	if len(p.Args) == 0 {
		p.Args = []string{"--help"}
	}
	if len(p.Args) > 1 && p.Args[0] == "--offline" {
		p.Args = append([]string{p.Args[1], p.Args[0]}, p.Args[2:]...) // it belongs to the command
	}
	parsed, err := parser.Parse(p.Args)
	if exit >= 0 { // --help was asked for and given
		return exit
	}
	if err != nil {
		p.say("terrazzo: %v\nSee terrazzo --help.\n", err)
		return exitUsage
	}
	return p.ended(parsed.Command(), parsed.Run())
}

// ended says what a command ended with, and what to do about it.
func (p *Program) ended(command string, err error) int {
	switch name, _, _ := strings.Cut(command, " "); {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && (name == "serve" || name == "proxy" || name == "offline"):
		return exitOK // it was told to stop
	case errors.Is(err, context.Canceled):
		p.say("terrazzo: interrupted; the same command begins again where it can\n")
		return exitInterrupted
	}
	p.say("terrazzo: %v\n", err)
	if advice := adviceFor(err); advice != "" {
		p.say("%s\n", advice)
	}
	return exitOf(err)
}

type versionCommand struct {
	JSON bool `name:"json" help:"One JSON document."`
}

// Run prints the version.
func (c versionCommand) Run(p *Program) error {
	if c.JSON {
		return printJSON(p.Out, map[string]string{"version": version()})
	}
	_, err := fmt.Fprintln(p.Out, "terrazzo", version())
	return err
}

// release is the version of this source tree.
const release = "0.1.0"

// version is the release, with the commit if the build knew it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return release + "+" + s.Value[:12]
		}
	}
	return release
}

// logger writes to w at a level and in a format of the settings.
func logger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: expected debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}
