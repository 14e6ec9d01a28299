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
