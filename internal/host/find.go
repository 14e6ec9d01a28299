package host

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// Find looks for the program terrazzo-host: beside this one, then in PATH. It
// returns an empty path if there is none.
func Find() string {
	const name = "terrazzo-host"
	if self, err := os.Executable(); err == nil {
		if followed, err := filepath.EvalSymlinks(self); err == nil {
			self = followed
		}
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside
		}
	}
	if found, err := exec.LookPath(name); err == nil {
		if absolute, err := filepath.Abs(found); err == nil {
			return absolute
		}
	}
	return ""
}

// Native returns a function that makes the format of a kind, with the name of
// the library that the hosts read it with, or returns nil if they do not.
func (p *Pool) Native() func(adapter.Kind) adapter.Format {
	reads := map[string]string{}
	for _, f := range p.Greeting().Formats {
		reads[f.Name] = f.Reads
	}
	return func(k adapter.Kind) adapter.Format {
		by, ok := reads[k.Name]
		if !ok {
			return nil
		}
		k.Reads, k.Missing = by, ""
		return p.Format(k)
	}
}
