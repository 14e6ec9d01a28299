//go:build native

// Command terrazzo-host reads the formats that need C libraries. It is started
// by terrazzo, which talks to it through the socket it inherits; see
// docs/host-protocol.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5file"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/tifffile"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
	"github.com/terrazzo-data/terrazzo/internal/host"
)

// formats are those that this program reads. To add one, add a line.
func formats() []adapter.Format {
	hdf5 := hdf5file.New()
	return []adapter.Format{
		hdf5,
		hdf5.NetCDF(),
		tifffile.Format{},
		sequence.Of(tifffile.Format{}),
	}
}

func main() {
	var roots list
	flag.Var(&roots, "root", "a folder that may be read, and no other where the kernel can see to that; may be repeated")
	memory := flag.Int64("memory", 0, "bytes of address space beyond what the program itself takes; 0 means any")
	confined := flag.Bool("confined", false, "print whether the kernel confines the program to the roots, and exit")
	flag.Parse()
	if *confined {
		fmt.Println(isConfined())
		return
	}
	if err := run(*memory); err != nil {
		fmt.Fprintln(os.Stderr, "terrazzo-host:", err)
		os.Exit(1)
	}
}

func run(memory int64) error {
	if err := limit(memory); err != nil {
		return err
	}
	l, err := host.Inherited()
	if err != nil {
		return err
	}
	return host.Serve(context.Background(), l, host.ServeOptions{
		Program: "terrazzo-host", Formats: formats(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
}

type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

func (l *list) Set(v string) error {
	*l = append(*l, v)
	return nil
}
