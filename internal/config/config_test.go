package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/config"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func TestHonoured(t *testing.T) {
	c, warnings, err := config.Parse([]byte(`
trees:
  - tree: directory
    path: /raw
    args: {directory: "${DATA}/raw", keep_ext: true, readable_storage: [/archive], storage: {consistency: nfs, trust_after: 30}}
  - {tree: demo, path: /demo}
  - {tree: join, path: /scan, args: {directory: /raw, files: "scan_*.h5", dataset: /entry/data, join: concatenate, axis: -1}}
authentication: {allow_anonymous_access: true}
allow_origins: [https://example.org]
uvicorn: {host: 0.0.0.0, port: 0, root_path: /data, workers: 8}
expose_raw_assets: false
object_cache: {available_bytes: 0.1}
terrazzo: {memory: 0.25, log_level: debug}
`), env(map[string]string{"DATA": "/mnt", "TILED_SINGLE_USER_API_KEY": "abc"}))
	if err != nil {
		t.Fatal(err)
	}
	tree := c.Trees[0]
	if tree.Args.Directory != "/mnt/raw" || !tree.Args.KeepExt || tree.Args.ReadableStorage[0] != "/archive" || tree.Args.Storage.TrustAfter != 30 {
		t.Errorf("tree %+v", tree)
	}
	if c.Authentication.SingleUserAPIKey != "abc" || !c.Authentication.AllowAnonymousAccess || c.ExposeRawAssets || c.Listen.RootPath != "/data" ||
		c.Listen.Port != 0 || c.Own.Memory != "0.25" || c.ResponseBytesizeLimit != 300_000_000 || !c.Listen.ProxyHeaders {
		t.Errorf("%+v", c)
	}
	if args := c.Trees[2].Args; args.Files != "scan_*.h5" || args.Dataset != "/entry/data" || args.Join != "concatenate" || args.Axis != -1 {
		t.Errorf("join %+v", args)
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"object_cache", "uvicorn.workers", "line 10"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning about %s in:\n%s", want, all)
		}
	}
}

func TestRefused(t *testing.T) {
	const tree = "trees: [{tree: demo, path: /}]\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":           {"", "empty"},
		"no trees":        {"expose_raw_assets: true", "trees"},
		"unknown":         {tree + "ponies: 1", "ponies"},
		"type":            {tree + "expose_raw_assets: maybe", "line 2: expose_raw_assets"},
		"nested":          {"trees:\n  - tree: demo\n    path: /\n    args:\n      colour: red", "colour"},
		"limit":           {tree + "response_bytesize_limit: 1000", "line 2: response_bytesize_limit"},
		"providers":       {tree + "authentication:\n  providers: [{provider: a, authenticator: b}]", "line 3: authentication.providers: refused"},
		"access control":  {tree + "access_control: {access_policy: x, args: {}}", "access_control: refused"},
		"certificates":    {tree + "uvicorn: {ssl_cert_reqs: 2}", "ssl_cert_reqs: refused"},
		"catalog":         {"trees: [{tree: catalog, path: /}]", "trees.0.tree: refused"},
		"module":          {"trees: [{tree: 'my.module:tree', path: /}]", "my.module:tree"},
		"no folder":       {"trees: [{tree: directory, path: /}]", "directory: PATH"},
		"join's own":      {"trees: [{tree: directory, path: /, args: {directory: a, files: '*'}}]", "trees.0.args.files: belongs to"},
		"join, no files":  {"trees: [{tree: join, path: /a, args: {directory: a}}]", "files: PATTERN"},
		"join at /":       {"trees: [{tree: join, path: /, args: {directory: a, files: '*.h5'}}]", "line 1: trees.0.path: joined files"},
		"join, no folder": {"trees: [{tree: join, path: /a, args: {files: '*.h5'}}]", "directory: PATH"},
		"join how":        {"trees: [{tree: join, path: /a, args: {directory: a, files: '*', join: zip}}]", "trees.0.args.join"},
		"variable":        {tree + "authentication: {single_user_api_key: '${NOPE}'}", "line 2: the environment variable NOPE"},
		"not yaml":        {"trees: [", ""},
		"doubled key":     {tree + tree, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := config.Parse([]byte(test.text), env(nil))
			if !errors.Is(err, errdef.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %q", err, test.want)
			}
		})
	}
}

func TestEmptyProtectionIsNoProtection(t *testing.T) {
	_, _, err := config.Parse([]byte("trees: [{tree: demo, path: /}]\nauthentication: {providers: []}\nuvicorn: {ssl_cert_reqs: 0}"), env(nil))
	if err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"trees: [{tree: demo, path: /}]", "a: &a [*a]", "trees: ${X}", "- 1", "{", "uvicorn: {port: 99999999999999999999}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		_, _, err := config.Parse(text, env(nil))
		if err != nil && !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%v", err)
		}
	})
}
