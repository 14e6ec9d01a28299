package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help is printed by --help.
func (*completionCommand) Help() string {
	return `Examples:

  terrazzo completion bash > ~/.local/share/bash-completion/completions/terrazzo
  terrazzo completion zsh > "${fpath[1]}/_terrazzo"
  terrazzo completion fish > ~/.config/fish/completions/terrazzo.fish`
}

// Run prints a script that completes commands and flags.
func (c *completionCommand) Run(p *Program) error {
	parser, err := newParser(&grammar{})
	if err != nil {
		return err
	}
	var script string
	switch c.Shell {
	case "fish":
		script = fishScript(parser.Model.Node)
	case "zsh":
		script = "#compdef terrazzo\nautoload -U +X bashcompinit && bashcompinit\n" + bashScript(parser.Model.Node)
	default:
		script = bashScript(parser.Model.Node)
	}
	_, err = fmt.Fprint(p.Out, script)
	return err
}

// words are what may follow a command: its subcommands and flags.
func words(n *kong.Node) []string {
	var out []string
	for _, child := range n.Children {
		if !child.Hidden && child.Type == kong.CommandNode {
			out = append(out, child.Name)
		}
	}
	for _, f := range n.Flags {
		if !f.Hidden {
			out = append(out, "--"+f.Name)
		}
	}
	return out
}

// each visits a command and all below it, with their names.
func each(n *kong.Node, path string, visit func(path string, n *kong.Node)) {
	visit(path, n)
	for _, child := range n.Children {
		if child.Type == kong.CommandNode {
			each(child, strings.TrimSpace(path+" "+child.Name), visit)
		}
	}
}

func bashScript(root *kong.Node) string {
	var b strings.Builder
	b.WriteString(`_terrazzo() {
  local word=${COMP_WORDS[COMP_CWORD]} path= i
  for ((i = 1; i < COMP_CWORD && i < 3; i++)); do
    case ${COMP_WORDS[i]} in -*) break ;; esac
    path="$path${path:+ }${COMP_WORDS[i]}"
  done
  local words
  while :; do
    case $path in
`)
	each(root, "", func(path string, n *kong.Node) {
		fmt.Fprintf(&b, "    %q) words=%q; break ;;\n", path, strings.Join(words(n), " "))
	})
	b.WriteString(`    *" "*) path=${path% *} ;;
    *) return ;;
    esac
  done
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _terrazzo terrazzo
`)
	return b.String()
}

func fishScript(root *kong.Node) string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "\\'") + "'" }
	each(root, "", func(path string, n *kong.Node) {
		when := "__fish_use_subcommand"
		if path != "" {
			names := strings.Fields(path)
			when = "__fish_seen_subcommand_from " + names[len(names)-1]
		}
		for _, child := range n.Children {
			if child.Type == kong.CommandNode {
				fmt.Fprintf(&b, "complete -c terrazzo -f -n %s -a %s -d %s\n", quote(when), quote(child.Name), quote(child.Help))
			}
		}
		for _, f := range n.Flags {
			fmt.Fprintf(&b, "complete -c terrazzo -n %s -l %s -d %s\n", quote(when), f.Name, quote(f.Help))
		}
	})
	return b.String()
}
