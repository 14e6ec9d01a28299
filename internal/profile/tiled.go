// SPDX-License-Identifier: BSD-3-Clause

package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxProfiles bounds a file of profiles.
const maxProfiles = 1 << 20

// TiledFolders are where Tiled's Python client looks for profiles, the nearest to the
// user last. getenv is [os.Getenv].
func TiledFolders(getenv func(string) string, home, config string) []string {
	site := []string{"/etc/tiled/profiles", "/etc/xdg/tiled/profiles"}
	if dir := getenv("TILED_SITE_PROFILES"); dir != "" {
		site = []string{dir}
	}
	user := []string{filepath.Join(home, ".config", "tiled", "profiles"), filepath.Join(config, "tiled", "profiles")}
	if dir := getenv("TILED_PROFILES"); dir != "" {
		user = []string{dir}
	}
	return append(site, user...)
}

// ofTiled looks for a profile among Tiled's own; none is an empty one. Of its settings
// the address counts, and a key in the headers. Two files of one folder that have the
// name are errdef.ErrConflict, as Tiled has it; one that runs a server in Python, or that
// cannot be read, is errdef.ErrUnsupported or errdef.ErrInvalid.
func (s *Store) ofTiled(name string) (Profile, Secret, error) {
	for _, dir := range slices.Backward(s.tiled) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // most of them are not there
		}
		var found *tiledProfile
		from := ""
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if ext := filepath.Ext(path); strings.HasPrefix(e.Name(), ".") || ext != ".yml" && ext != ".yaml" {
				continue
			}
			p, ok, err := readTiled(path, name)
			if err != nil {
				return Profile{}, Secret{}, err
			}
			if ok && found != nil {
				return Profile{}, Secret{}, fmt.Errorf("profile %q: both %s and %s define it; remove one: %w", name, from, path, errdef.ErrConflict)
			}
			if ok {
				found, from = &p, path
			}
		}
		if found != nil {
			return found.profile(name, from)
		}
	}
	return Profile{}, Secret{}, nil
}

// tiledProfile is one profile in a file of Tiled's.
type tiledProfile struct {
	URI     string         `yaml:"uri"`
	Direct  any            `yaml:"direct"`
	Headers map[string]any `yaml:"headers"`
}

func readTiled(path, name string) (p tiledProfile, ok bool, err error) {
	about, err := os.Stat(path)
	if err != nil || about.Size() > maxProfiles {
		return p, false, fmt.Errorf("profiles: %s: it cannot be read, or is too long: %w", path, errdef.ErrInvalid)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return p, false, fmt.Errorf("profiles: %w", err)
	}
	if !strings.Contains(string(text), name) {
		return p, false, nil // what is wrong with the profiles of others is not our concern
	}
	var all map[string]tiledProfile
	if err := yaml.Unmarshal(text, &all); err != nil {
		return p, false, fmt.Errorf("profiles: %s: %w: %w", path, err, errdef.ErrInvalid)
	}
	p, ok = all[name]
	return p, ok, nil
}

func (p *tiledProfile) profile(name, path string) (Profile, Secret, error) {
	if p.URI == "" {
		return Profile{}, Secret{}, fmt.Errorf("profile %q of %s has no uri: it makes a server in Python, which this program cannot: %w", name, path, errdef.ErrUnsupported)
	}
	secret := Secret{}
	for header, value := range p.Headers {
		scheme, key, _ := strings.Cut(fmt.Sprint(value), " ")
		if strings.EqualFold(header, "Authorization") && strings.EqualFold(scheme, "Apikey") {
			secret.APIKey = key
		}
	}
	return Profile{URI: p.URI}, secret, nil
}
