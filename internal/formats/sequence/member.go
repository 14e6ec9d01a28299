package sequence

import (
	"context"
	"fmt"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// member is a source of one of the files.
type member struct {
	adapter.Source
	name string
}

func (m member) Names() []string { return []string{m.name} }

// Locate implements [adapter.Locator], if the source of the sequence does.
func (m member) Locate(ctx context.Context, from, target string) (adapter.Place, error) {
	l, ok := m.Source.(adapter.Locator)
	if !ok {
		return adapter.Place{}, fmt.Errorf("%s: files are not located here: %w", m.name, errdef.ErrUnsupported)
	}
	return l.Locate(ctx, from, target)
}

// held is a member whose file is open already: whoever opens it gets the same
// one, so that what was compared is what is read.
type held struct {
	member
	file adapter.File
}

func (h held) Open(ctx context.Context, name string) (adapter.File, error) {
	if name != h.name {
		return h.member.Open(ctx, name)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return borrowed{h.file}, nil
}

// borrowed is a file that somebody else closes.
type borrowed struct{ adapter.File }

func (borrowed) Close() error { return nil }
