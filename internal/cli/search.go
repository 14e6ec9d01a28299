package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// whereFlags are conditions on metadata.
type whereFlags struct {
	Fulltext []string `help:"Words anywhere in the metadata." placeholder:"WORDS" sep:"none"`
	Where    []string `help:"A condition like 'color==red', 'temperature>300', 'sample=~ni.*', 'plan' (is there), '!plan'; all must hold." placeholder:"CONDITION" sep:"none"`
	Family   string   `help:"A structure family, such as array." placeholder:"FAMILY"`
	Spec     []string `help:"A spec that nodes must have." placeholder:"NAME"`
}

// queries are the conditions as queries.
func (f *whereFlags) queries() ([]client.Query, error) {
	var out []client.Query
	for _, words := range f.Fulltext {
		out = append(out, client.FullText(words))
	}
	for _, text := range f.Where {
		q, err := parseWhere(text)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	if f.Family != "" {
		out = append(out, client.OfFamily(structure.Family(f.Family)))
	}
	if len(f.Spec) > 0 {
		out = append(out, client.HasSpecs(f.Spec, nil))
	}
	return out, nil
}

// parseWhere reads one condition. A value that is JSON is taken as such, any other as
// text, so that red is the text and 3 the number; "3" in quotes is the text.
func parseWhere(text string) (client.Query, error) {
	operators := []struct {
		sign string
		make func(key string, value any) client.Query
	}{
		{"==", client.Eq}, {"!=", client.NotEq}, {"<=", client.Le}, {">=", client.Ge}, {"=~", matching}, {"<", client.Lt}, {">", client.Gt},
	}
	at, which := len(text), -1
	for i, o := range operators {
		if found := strings.Index(text, o.sign); found >= 0 && found < at {
			at, which = found, i
		}
	}
	key := strings.TrimSpace(text[:at])
	absent := strings.HasPrefix(key, "!")
	if which < 0 {
		key = strings.TrimPrefix(key, "!")
	}
	if key == "" || strings.ContainsAny(key, " =") {
		return client.Query{}, fmt.Errorf("--where %q: expected a key, one of == != < <= > >= =~ and a value, like 'color==red': %w", text, errdef.ErrInvalid)
	}
	if which < 0 {
		return client.KeyPresent(key, !absent), nil
	}
	written := strings.TrimSpace(text[at+len(operators[which].sign):])
	var value any = written
	var parsed any
	if operators[which].sign != "=~" && json.Unmarshal([]byte(written), &parsed) == nil {
		value = parsed
	}
	return operators[which].make(key, value), nil
}

func matching(key string, value any) client.Query {
	pattern, _ := value.(string)
	return client.Regexp(key, pattern, true)
}

type searchCommand struct {
	nodeFlags
	whereFlags
	Sort  []string `help:"Metadata keys with dots, or id; a minus before a key for descending." placeholder:"KEY"`
	Deep  int      `help:"Search so many levels below, not the members alone (needs a server that can)." default:"0"`
	Limit int64    `help:"At most so many; 0 for all." default:"0"`
	Count bool     `help:"Say only how many there are."`
	JSON  bool     `name:"json" help:"One JSON document per line."`
}

// Help is printed by --help.
func (*searchCommand) Help() string {
	return `Examples:

  terrazzo search http://localhost:8000 --fulltext nickel
  terrazzo search beamline runs --where 'start.plan==count' --where 'start.temperature>300' --sort=-start.time
  terrazzo search beamline --deep 5 --family array --count`
}

// Run searches a container.
func (c *searchCommand) Run(ctx context.Context, p *Program) error {
	queries, err := c.queries()
	if err != nil {
		return err
	}
	return c.open(ctx, p, func(_ *remote, n *client.Node) error {
		container, err := n.Container()
		if err != nil {
			return err
		}
		l := container.Search(queries...).Sort(c.Sort...)
		if c.Deep > 0 {
			l = l.Deep(c.Deep)
		}
		if c.Count {
			count, err := l.Count(ctx)
			if err != nil {
				return err
			}
			if c.JSON {
				return printJSON(p.Out, map[string]int64{"count": count})
			}
			_, err = fmt.Fprintln(p.Out, count)
			return err
		}
		out := newList(p, c.JSON)
		shown := int64(0)
		for m, err := range l.All(ctx) {
			if err == nil {
				err = out.add(m.String(), m)
			}
			if err != nil {
				return errors.Join(err, out.end())
			}
			if shown++; c.Limit > 0 && shown >= c.Limit {
				break
			}
		}
		return out.end()
	})
}
