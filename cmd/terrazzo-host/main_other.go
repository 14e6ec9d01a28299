//go:build !native

// Command terrazzo-host reads the formats that need C libraries. This is what
// is built without them: it says so.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "terrazzo-host: was built without C libraries; install libhdf5-dev, libdeflate-dev and libblosc-dev and run make build")
	os.Exit(1)
}
