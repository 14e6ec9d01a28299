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
	return `Source what it prints, or put it where the shell looks for it.

Examples:

  source <(terrazzo completion bash)
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
		script = zshScript(parser.Model.Node)
	default:
		script = bashScript(parser.Model.Node)
	}
	_, err = fmt.Fprint(p.Out, script)
	return err
}

// words are what may follow a command: its subcommands and flags.
func words(n *kong.Node) []string {
	var out []string
	for _, w := range offered(n) {
		out = append(out, w[0])
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

// quoted is a text for shells, in single quotes.
func quoted(text, escape string) string { return "'" + strings.ReplaceAll(text, "'", escape) + "'" }

// zshScript works sourced and as an autoloaded function.
func zshScript(root *kong.Node) string {
	var b strings.Builder
	b.WriteString(`#compdef terrazzo
_terrazzo() {
  local path= i
  for ((i = 2; i < CURRENT && i < 4; i++)); do
    [[ $words[i] == -* ]] && break
    path="$path${path:+ }$words[i]"
  done
  local -a found
  while :; do
    case $path in
`)
	each(root, "", func(path string, n *kong.Node) {
		fmt.Fprintf(&b, "    %s) found=(", quoted(path, `'\''`))
		for _, w := range offered(n) {
			b.WriteString(" " + quoted(strings.ReplaceAll(w[0], ":", `\:`)+":"+w[1], `'\''`))
		}
		b.WriteString(" ); break ;;\n")
	})
	b.WriteString(`    *" "*) path=${path% *} ;;
    *) return ;;
    esac
  done
  _describe 'terrazzo' found || _files
}
if [ "$funcstack[1]" = "_terrazzo" ]; then
  _terrazzo "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u; }
  compdef _terrazzo terrazzo
fi
`)
	return b.String()
}

// offered are the words that may follow a command, each with what it does.
func offered(n *kong.Node) [][2]string {
	var out [][2]string
	for _, child := range n.Children {
		if !child.Hidden && child.Type == kong.CommandNode {
			out = append(out, [2]string{child.Name, child.Help})
		}
	}
	for _, f := range n.Flags {
		if !f.Hidden {
			out = append(out, [2]string{"--" + f.Name, f.Help})
		}
	}
	return out
}

func fishScript(root *kong.Node) string {
	var b strings.Builder
	b.WriteString(`function __terrazzo_at --description 'whether the command line is at this command'
  set -l typed (commandline -opc)
  set -l words
  for word in $typed[2..-1]
    string match -q -- '-*' $word; and break
    set -a words $word
  end
  set -l depth (count $argv)
  if test $depth -eq 0
    test (count $words) -eq 0
    return
  end
  test (count $words) -ge $depth; and test "$words[1..$depth]" = "$argv"
end
complete -c terrazzo -e
`)
	each(root, "", func(path string, n *kong.Node) {
		when := quoted(strings.TrimSpace("__terrazzo_at "+path), `\'`)
		for _, child := range n.Children {
			if child.Type == kong.CommandNode {
				fmt.Fprintf(&b, "complete -c terrazzo -f -n %s -a %s -d %s\n", when, quoted(child.Name, `\'`), quoted(child.Help, `\'`))
			}
		}
		for _, f := range n.Flags {
			value := ""
			if !f.IsBool() {
				value = " -r"
			}
			fmt.Fprintf(&b, "complete -c terrazzo -n %s -l %s%s -d %s\n", when, f.Name, value, quoted(f.Help, `\'`))
		}
	})
	return b.String()
}
