package media

import "github.com/terrazzo-data/terrazzo/structure"

// New builds the registry of everything that this package can write.
func New() *Registry {
	r := &Registry{}
	for _, row := range rows() {
		for _, mediaType := range row.types {
			r.Register(row.key, mediaType, row.encoder)
		}
	}
	return r
}

// row registers an encoder for media types under one key.
type row struct {
	key     string
	types   []string
	encoder Encoder
}

// rows is the table of media types, in the order in which About lists them.
func rows() []row {
	array, table := string(structure.FamilyArray), string(structure.FamilyTable)
	return []row{
		{array, []string{typeOctets}, octets{}},
		{array, []string{typeJSON}, arrayJSON{}},
		{array, []string{typeCSV, typeXCSV, typePlain, typeExcel}, arrayCSV{}},
		{array, []string{typePNG}, arrayPNG{}},
		{array, []string{typeTIFF}, arrayTIFF{}},
		{array, []string{typeHTML}, arrayHTML{}},
		{table, []string{typeArrow}, tableArrow{}},
		{table, []string{typeParquet}, tableParquet{}},
		{table, []string{typeCSV, typeXCSV, typePlain, typeExcel}, tableCSV{}},
		{table, []string{typeHTML}, tableHTML{}},
		{table, []string{typeXLSX}, tableXLSX{}},
		{table, []string{typeJSON}, tableJSON{}},
		{table, []string{typeJSONSeq}, tableJSONSeq{}},
		{string(structure.FamilyContainer), []string{typeHDF5}, containerHDF5{}},
		{string(structure.FamilyContainer), []string{typeJSON}, containerJSON{}},
		{SpecDataset, []string{typeNetCDF, typeXNetCDF}, containerHDF5{dataset: true, dimensions: true}},
		{SpecDataset, []string{typeArrow}, tableArrow{}},
		{SpecDataset, []string{typeParquet}, tableParquet{}},
		{SpecDataset, []string{typeCSV, "text/comma-separated-values", typePlain}, tableCSV{}},
		{SpecDataset, []string{typeHTML}, tableHTML{}},
		{SpecDataset, []string{typeXLSX}, tableXLSX{}},
		{SpecDataset, []string{typeJSON}, tableJSON{}},
		{SpecDataset, []string{typeHDF5}, containerHDF5{dataset: true}},
	}
}

// SpecDataset is the spec of containers that are xarray data sets. Its
// encoders take a Table, one column for each variable, unless they take data of
// containers ([TakesData]).
const SpecDataset = "xarray_dataset"
