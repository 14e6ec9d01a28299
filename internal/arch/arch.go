// Package arch holds tests about the shape of this module: who may import
// whom, that every package says what it is for, and how large things grow.
// It has no code of its own.
package arch
