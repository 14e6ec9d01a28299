package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// refused are settings of Tiled that protect data in a way this server does
// not have. Leaving them out would open what they close.
func refused() map[string]string {
	return map[string]string{
		"authentication.providers":     "this server has one API key and no log-in by name; put it behind a proxy that authenticates, or leave the section out and set single_user_api_key",
		"access_control":               "this server does not tell users apart: whoever may read reads everything; serve only what all may see, and leave the section out",
		"uvicorn.ssl_cert_reqs":        "client certificates are not checked by this server; let a proxy in front of it do that",
		"uvicorn.ssl_ca_certs":         "client certificates are not checked by this server; let a proxy in front of it do that",
		"uvicorn.ssl_keyfile_password": "an encrypted key file is not read; decrypt it for this server (openssl pkey)",
	}
}

// without are settings that mean nothing here, and why that does no harm.
func without() map[string]string {
	const writing = "this server is for reading"
	const login = "there is no log-in"
	return map[string]string{
		"streaming_cache": "there is no streaming", "media_types": "exporters are built in", "file_extensions": "aliases are built in",
		"database": login, "object_cache": "see terrazzo.data_cache", "specs": writing, "reject_undeclared_specs": writing,
		"catalog_pool_size": "there is no database", "catalog_max_overflow": "there is no database",
		"storage_pool_size": "there is no database", "storage_max_overflow": "there is no database", "routers": "there are no plug-in routes",
		"authentication.tiled_admins": login, "authentication.secret_keys": login, "authentication.access_token_max_age": login,
		"authentication.refresh_token_max_age": login, "authentication.session_max_age": login,
	}
}

// listenKnown are the settings under uvicorn that are honoured.
func listenKnown() string {
	return " host port root_path proxy_headers forwarded_allow_ips ssl_keyfile ssl_certfile "
}

// tiled refuses what must not be left out, and warns of what is.
func (d document) tiled() (warnings []string, err error) {
	for name, why := range refused() {
		pointer := strings.Split(name, ".")
		if given := d.find(pointer); given != nil && !empty(given) {
			return nil, fmt.Errorf("%s: refused: %s: %w", d.at(pointer), why, errdef.ErrInvalid)
		}
	}
	if err := d.trees(); err != nil {
		return nil, err
	}
	for name, why := range without() {
		pointer := strings.Split(name, ".")
		if given := d.find(pointer); given != nil && !empty(given) {
			warnings = append(warnings, d.at(pointer)+": has no effect: "+why)
		}
	}
	if listen, ok := d.find([]string{"uvicorn"}).(*ast.MappingNode); ok {
		for _, v := range listen.Values {
			if key := v.Key.String(); !strings.Contains(listenKnown(), " "+key+" ") {
				warnings = append(warnings, d.at([]string{"uvicorn", key})+": has no effect: one process uses all cores, and needs no tuning of uvicorn")
			}
		}
	}
	return warnings, nil
}

// trees refuses trees that only Tiled can make.
func (d document) trees() error {
	list, ok := d.find([]string{"trees"}).(*ast.SequenceNode)
	if !ok {
		return nil
	}
	for i := range list.Values {
		at := []string{"trees", fmt.Sprint(i)}
		kind := text(d.find(append(at, "tree")))
		if err := d.joining(at, kind); err != nil {
			return err
		}
		switch kind {
		case "demo":
		case "directory", "files", "join":
			if text(d.find(append(at, "args", "directory"))) == "" {
				return fmt.Errorf("%s: the folder is missing: add args: {directory: PATH}: %w", d.at(at), errdef.ErrInvalid)
			}
		default:
			return fmt.Errorf("%s: refused: %q is made by Python code or a catalog database, which this server has not; it serves 'directory' (args: {directory: PATH}), 'join' and 'demo': %w",
				d.at(append(at, "tree")), kind, errdef.ErrInvalid)
		}
	}
	return nil
}

// joining checks what belongs to trees that join files, and to no others.
func (d document) joining(at []string, kind string) error {
	if kind == "join" {
		if text(d.find(append(at, "args", "files"))) == "" {
			return fmt.Errorf("%s: the files are missing: add args: {files: PATTERN}, such as 'scan_*.h5': %w", d.at(at), errdef.ErrInvalid)
		}
		if strings.Trim(text(d.find(append(at, "path"))), "/") == "" {
			return fmt.Errorf("%s: joined files are one array, which cannot be the root: give it a path such as /stack: %w", d.at(append(at, "path")), errdef.ErrInvalid)
		}
		return nil
	}
	for _, name := range []string{"files", "dataset", "join", "axis"} {
		if pointer := append(at, "args", name); d.find(pointer) != nil {
			return fmt.Errorf("%s: belongs to 'tree: join' alone: %w", d.at(pointer), errdef.ErrInvalid)
		}
	}
	return nil
}

func (d document) find(pointer []string) ast.Node {
	node := d.body
	for _, part := range pointer {
		if node = child(node, part); node == nil {
			return nil
		}
	}
	return node
}

func text(node ast.Node) string {
	if s, ok := node.(*ast.StringNode); ok {
		return s.Value
	}
	return ""
}

// empty tells whether a setting is there in name only.
func empty(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.NullNode:
		return true
	case *ast.SequenceNode:
		return len(n.Values) == 0
	case *ast.MappingNode:
		return len(n.Values) == 0
	case *ast.IntegerNode:
		return n.Value == int64(0) || n.Value == uint64(0)
	}
	return false
}
