// Package hdf5file reads HDF5 files, NeXus files among them, with the HDF5
// library. It is built with the tag "native" and needs cgo; only the program
// terrazzo-host links it.
//
// # One thread
//
// The library has one lock for everything, so all calls are made from one
// thread, one job after the other. What a job takes is little: chunks are
// read as they are stored and decoded outside of it, side by side.
//
// # Files
//
// The library opens no file by itself. It goes through a driver of ours, which
// opens what the [adapter.Locator] has approved, checks the stamp of what it
// opened, and refuses everything else; links to other files are followed by
// this package, step by step. Files stay open for a while, and are closed
// when the request names another version of them.
//
// # Blocks
//
// See docs/design/0007-native-formats.md.
package hdf5file
