// Command terrazzo serves folders of scientific data over HTTP, in the
// protocol of Tiled. Run it with --help.
package main

import (
	"os"

	"github.com/terrazzo-data/terrazzo"
)

func main() { os.Exit(terrazzo.Main(terrazzo.Options{})) }
