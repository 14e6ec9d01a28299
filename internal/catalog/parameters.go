package catalog

// FilterParameters lists the query parameters that [ParseFilters] reads, for
// documentation.
func FilterParameters() []string {
	var names []string
	for _, form := range forms() {
		for _, f := range form.fields {
			names = append(names, "filter["+string(form.kind)+"][condition]["+f.name+"]")
		}
	}
	return names
}
