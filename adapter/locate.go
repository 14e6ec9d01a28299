package adapter

import "context"

// Locator is a [Source] that can say where files lie on this machine, for
// formats that are read in other processes, and can find the files that are
// named within files: targets of links, parts of virtual arrays, raw data kept
// outside. Every [Source] that the server makes is one.
type Locator interface {
	Source
	// Locate finds the file called target. If from is empty, target is a name
	// in the source; else it is a path as it is written in the file that the
	// source knows as from: an absolute path, or one relative to the folder of
	// that file, with slashes.
	//
	// What is found becomes a dependency, like anything else that is looked
	// at; so does what is not there, whose stamp is Absent, without an error.
	// Nothing is opened. Errors are those of [Source]: what the path leads to
	// outside the wall is errdef.ErrForbidden.
	Locate(ctx context.Context, from, target string) (Place, error)
}

// Place is a regular file, or the lack of one, that a [Locator] has found.
type Place struct {
	// Name is what the source knows it by: it may be given to Open, to Stat
	// and as from to Locate. It starts with a slash if the file does not lie
	// beside or beneath the item.
	Name string
	// Path is where it lies on this machine, absolute and without links;
	// empty if it is absent. Whoever opens it compares the stamp of what was
	// opened with Stamp, since the path may lead elsewhere by then.
	Path  string
	Stamp Stamp
	// Grows says that the file may have become longer since, or been written
	// to: what was opened counts if it is the same file and no shorter.
	Grows bool
}
