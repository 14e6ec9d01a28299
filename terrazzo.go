// Package terrazzo builds the program, for those who add to it.
//
// A main package of three lines is the whole program:
//
//	func main() {
//		os.Exit(terrazzo.Main(terrazzo.Options{}))
//	}
//
// Options add file formats of one's own, and stores for what the caches hold.
// Everything else is in the packages that are documented beside this one:
// adapter, structure, ndslice, store, errdef.
package terrazzo

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/cli"
	"github.com/terrazzo-data/terrazzo/store"
)

// Options add to the program. The zero value is the program as it is.
type Options struct {
	// Formats are asked before the built-in ones, in their order.
	Formats []adapter.Format
	// Stores are further places for responses to lie, by the name that
	// --response-store, terrazzo.response_store and `proxy --store` give them.
	Stores map[string]store.Opener
	// Args are the command line without the program's name; nil means that
	// of the process. Out and Err default to the standard streams.
	Args     []string
	Out, Err io.Writer
}

// Main runs the program until it is done or is told to stop by SIGINT or
// SIGTERM, and returns its exit status: 0 for success, 1 for an error, 2 for a
// command line that was not understood. Messages go to o.Err.
func Main(o Options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.Args == nil {
		o.Args = os.Args[1:]
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Err == nil {
		o.Err = os.Stderr
	}
	return cli.Run(ctx, cli.Program{Args: o.Args, Out: o.Out, Err: o.Err, Formats: o.Formats, Stores: o.Stores})
}
