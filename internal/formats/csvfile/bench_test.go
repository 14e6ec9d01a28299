package csvfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
)

func benchText() []byte {
	var text strings.Builder
	text.WriteString("i,x,y,name,flag\n")
	for i := range 800_000 {
		fmt.Fprintf(&text, "%d,%.16f,%d.5,name %d,True\n", i, float64(i)/7, i, i%100)
	}
	return []byte(text.String())
}

func BenchmarkDescribe(b *testing.B) {
	text := benchText()
	src := file(b, "a.csv", text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Format{}).Describe(b.Context(), src, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadColumn(b *testing.B) {
	src := file(b, "a.csv", benchText())
	d, err := Format{}.Describe(b.Context(), src, nil)
	if err != nil {
		b.Fatal(err)
	}
	opened, err := Format{}.Open(src, nil, d)
	if err != nil {
		b.Fatal(err)
	}
	for column, name := range d.Table.Columns() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(cellSize)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := opened.(adapter.TableReader).ReadColumns(b.Context(), 0, []int{column}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
