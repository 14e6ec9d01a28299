package terrazzo_test

import (
	"context"
	"os"

	"github.com/terrazzo-data/terrazzo"
	"github.com/terrazzo-data/terrazzo/store"
)

// open stands for a store of one's own; see the folder tests/ownstore for a whole one.
func open(context.Context, store.Settings) (store.Store, error) { return nil, nil }

// A program whose responses can lie in a store of its own. What it is started with
// chooses it: here a command line that names one which it has not.
func ExampleMain() {
	terrazzo.Main(terrazzo.Options{
		Stores: map[string]store.Opener{"mine": open},
		Args:   []string{"serve", "demo", "--state=none", "--response-store=yours"},
		Err:    os.Stdout,
	})
	// Output:
	// terrazzo: --response-store: store "yours": there is no type of that name (this program has mine): invalid request
}
