// Command ownstore is Terrazzo with one more store, in a module of its own.
package main

import (
	"os"

	"github.com/terrazzo-data/terrazzo"
	"github.com/terrazzo-data/terrazzo/store"
)

func main() {
	os.Exit(terrazzo.Main(terrazzo.Options{Stores: map[string]store.Opener{"mine": Open}}))
}
