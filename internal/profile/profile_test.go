package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/profile"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "config")
	s := profile.Open(dir)
	if _, _, err := s.Get("beamline"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	want := profile.Profile{URI: "https://tiled.example.org", Principal: "p1"}
	if err := s.Put("beamline", want, profile.Secret{Tokens: &client.Tokens{Access: "a", Refresh: "r"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put("../evil", want, profile.Secret{}); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("a name that leaves the folder: %v", err)
	}
	got, secret, err := s.Get("beamline")
	if err != nil || got != want || secret.Tokens == nil || secret.Tokens.Refresh != "r" {
		t.Errorf("%+v, %+v, error %v", got, secret, err)
	}
	file := filepath.Join(dir, "secrets", "beamline.json")
	about, err := os.Stat(file)
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", about.Mode(), err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get("beamline"); !errors.Is(err, errdef.ErrForbidden) {
		t.Errorf("a secret that others may read: %v", err)
	}
	if err := s.Remove("beamline"); err != nil {
		t.Error(err)
	}
	if names, err := s.Names(); err != nil || len(names) != 0 {
		t.Errorf("%v, error %v", names, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "profiles.yaml"), []byte("x: {uri: http://x, password: y}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.All(); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("an unknown setting: %v", err)
	}
}

// TestTiledsOwn: profiles of Tiled's Python client are found, the nearest to the user
// first, and this program's before them.
func TestTiledsOwn(t *testing.T) {
	t.Parallel()
	site, user := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(site, "all.yml"):     "beam: {uri: 'http://site'}\nfar: {uri: 'http://far/api/v1', headers: {Authorization: 'Apikey k1'}}\n",
		filepath.Join(user, "mine.yml"):    "beam: {uri: 'http://mine?api_key=abc', structure_clients: dask}\nlocal: {direct: {trees: []}}\n",
		filepath.Join(user, "one.yaml"):    "twice: {uri: 'http://1'}\n",
		filepath.Join(user, "two.yml"):     "twice: {uri: 'http://2'}\n",
		filepath.Join(user, "broken.yml"):  "broken: [\n",
		filepath.Join(user, ".hidden.yml"): "hidden: {uri: 'http://hidden'}\n",
		filepath.Join(user, "notes.txt"):   "notes: {uri: 'http://notes'}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := profile.Open(t.TempDir(), site, user)
	for name, want := range map[string]string{"beam": "http://mine?api_key=abc", "far": "http://far/api/v1"} {
		if p, _, err := s.Get(name); err != nil || p.URI != want {
			t.Errorf("%s: %+v, error %v", name, p, err)
		}
	}
	if _, secret, err := s.Get("far"); err != nil || secret.APIKey != "k1" {
		t.Errorf("the key in the headers: %+v, error %v", secret, err)
	}
	for name, want := range map[string]error{
		"twice": errdef.ErrConflict, "local": errdef.ErrUnsupported, "broken": errdef.ErrInvalid, "hidden": errdef.ErrNotFound, "notes": errdef.ErrNotFound,
	} {
		if _, _, err := s.Get(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if err := s.Put("beam", profile.Profile{URI: "http://ours"}, profile.Secret{}); err != nil {
		t.Fatal(err)
	}
	if p, _, err := s.Get("beam"); err != nil || p.URI != "http://ours" {
		t.Errorf("%+v, error %v", p, err)
	}
}

func TestTiledFolders(t *testing.T) {
	t.Parallel()
	env := map[string]string{}
	get := func(name string) string { return env[name] }
	if got := profile.TiledFolders(get, "/h", "/c"); len(got) != 4 || got[3] != "/c/tiled/profiles" {
		t.Errorf("%q", got)
	}
	env["TILED_PROFILES"], env["TILED_SITE_PROFILES"] = "/p", "/s"
	if got := profile.TiledFolders(get, "/h", "/c"); len(got) != 2 || got[0] != "/s" || got[1] != "/p" {
		t.Errorf("%q", got)
	}
}
