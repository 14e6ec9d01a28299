// Package tifffile reads TIFF files with libtiff. It is built with the tag
// "native" and needs cgo; only the program terrazzo-host links it.
//
// # What is C
//
// Only the decoding of a single strip or tile. The file itself is read, and
// what it says is checked, by package tiffmeta: for each strip or tile a small
// file of one strip is made in memory, and libtiff decodes that. Bytes that are
// not encoded never reach it.
//
// # Blocks
//
// A block is a page, found by the place of its directory, which describing
// noted down. A page of more than 4 MiB is cut along its rows, where its strips
// or tiles end. Where the pixels lie in the file as they are served, they are
// given as extents.
package tifffile
