package excelfile_test

import (
	"archive/zip"
	"fmt"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
)

// BenchmarkSheet describes and reads 50,000 rows of six columns.
func BenchmarkSheet(b *testing.B) {
	var rows strings.Builder
	rows.WriteString(`<row r="1">` + strings.Repeat(`<c t="inlineStr"><is><t>a</t></is></c>`, 6) + `</row>`)
	for i := range 50000 {
		fmt.Fprintf(&rows, `<row r="%d"><c r="A%d"><v>%d</v></c><c r="B%d"><v>%v</v></c><c r="C%d" t="s"><v>0</v></c>`, i+2, i+2, i, i+2, float64(i)/7, i+2)
		fmt.Fprintf(&rows, `<c r="D%d" t="b"><v>%d</v></c><c r="E%d"><v>%v</v></c><c r="F%d" t="s"><v>0</v></c></row>`, i+2, i%2, i+2, float64(i)*1.5, i+2)
	}
	content := workbook(b, rows.String(), func(w *zip.Writer) {
		if p, err := w.Create("t.xml"); err == nil {
			_, _ = p.Write([]byte("<sst><si><t>one</t></si></sst>"))
		}
	})
	src := adaptertest.NewMemory(map[string]string{"a.xlsx": content}, "a.xlsx")
	b.ReportAllocs()
	for b.Loop() {
		read(b, src, "s")
	}
}
