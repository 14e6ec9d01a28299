// SPDX-License-Identifier: BSD-3-Clause

// Package profile keeps what the command line knows of servers between two runs: their
// names and addresses, who one is there, and the secrets that prove it.
//
// Addresses are in profiles.yaml in the user's configuration folder, which may be
// edited. Secrets are in files of their own beside it, one per profile, of mode 0600; a
// file that others may read is refused.
package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// Profile is one server as one user.
type Profile struct {
	// URI is the server's address, or a node's.
	URI string `yaml:"uri"`
	// Principal is who logged in, as the server calls them; "" with an API key.
	Principal string `yaml:"principal,omitempty"`
}

// Secret proves who asks: one of the two.
type Secret struct {
	APIKey string         `json:"api_key,omitempty"`
	Tokens *client.Tokens `json:"tokens,omitempty"`
}

// Store is the user's profiles. Use [Open].
type Store struct {
	dir   string
	tiled []string
}

// Open opens the profiles in dir, the user's configuration folder for this program. It
// need not be there. Names that are not in it are looked for in the folders of Tiled's
// own profiles, the last one first; those are read and never written.
func Open(dir string, tiled ...string) *Store { return &Store{dir: dir, tiled: tiled} }

func (s *Store) file() string { return filepath.Join(s.dir, "profiles.yaml") }

// All returns the profiles by name.
func (s *Store) All() (map[string]Profile, error) {
	text, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]Profile{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	out := map[string]Profile{}
	if err := yaml.UnmarshalWithOptions(text, &out, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("profiles: %s: %w: %w", s.file(), err, errdef.ErrInvalid)
	}
	return out, nil
}

// Names lists the profiles.
func (s *Store) Names() ([]string, error) {
	all, err := s.All()
	return slices.Sorted(maps.Keys(all)), err
}

// Get returns a profile and its secret. None of that name is errdef.ErrNotFound.
func (s *Store) Get(name string) (Profile, Secret, error) {
	all, err := s.All()
	if err != nil {
		return Profile{}, Secret{}, err
	}
	p, ok := all[name]
	if !ok {
		if p, secret, err := s.ofTiled(name); err != nil || p.URI != "" {
			return p, secret, err
		}
		return Profile{}, Secret{}, fmt.Errorf("no profile is called %q; `terrazzo login URL --name %s` makes one: %w", name, name, errdef.ErrNotFound)
	}
	secret, err := s.Secret(name)
	return p, secret, err
}

// Put keeps a profile and its secret under a name of letters, digits, "-", "_" and ".".
func (s *Store) Put(name string, p Profile, secret Secret) error {
	if !validName(name) {
		return fmt.Errorf("profile %q: a name has letters, digits, '-', '_' and '.': %w", name, errdef.ErrInvalid)
	}
	all, err := s.All()
	if err != nil {
		return err
	}
	all[name] = p
	return errors.Join(s.PutSecret(name, secret), s.write(all))
}

// Remove forgets a profile and its secret. None of that name is errdef.ErrNotFound.
func (s *Store) Remove(name string) error {
	all, err := s.All()
	if err != nil {
		return err
	}
	if _, ok := all[name]; !ok {
		return fmt.Errorf("no profile is called %q: %w", name, errdef.ErrNotFound)
	}
	delete(all, name)
	if err := os.Remove(s.secretFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("profiles: %w", err)
	}
	return s.write(all)
}

func (s *Store) write(all map[string]Profile) error {
	text, err := yaml.Marshal(all)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return replace(s.file(), text)
}

func (s *Store) secretFile(name string) string {
	return filepath.Join(s.dir, "secrets", name+".json")
}

// PutSecret keeps the secret of a profile.
func (s *Store) PutSecret(name string, secret Secret) error {
	text, err := json.Marshal(secret)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return replace(s.secretFile(name), append(text, '\n'))
}

// Secret returns the secret of a profile, an empty one if it has none.
func (s *Store) Secret(name string) (Secret, error) {
	var out Secret
	text, err := ReadSecret(s.secretFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("profiles: %s: %w: %w", s.secretFile(name), err, errdef.ErrInvalid)
	}
	return out, nil
}

// ReadSecret reads a file that nobody but its owner may read; one that others may is
// errdef.ErrForbidden.
func ReadSecret(path string) ([]byte, error) {
	about, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	if about.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("secret: others may read %s; chmod 600 it: %w", path, errdef.ErrForbidden)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	return text, nil
}

// replace writes a file of mode 0600 beside its place and renames it into it.
func replace(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("profiles: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func validName(name string) bool {
	return name != "" && name[0] != '.' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}
