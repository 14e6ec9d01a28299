package arrowfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// validate checks all that a user of the array relies on: offsets that ascend
// and lie within the values, indices that lie within the dictionary.
func validate(a arrow.Array) error {
	if v, ok := a.(interface{ ValidateFull() error }); ok {
		if err := v.ValidateFull(); err != nil {
			return unprocessable("%w", err)
		}
	}
	switch a := a.(type) {
	case *array.Dictionary:
		return validateIndices(a)
	case array.ExtensionArray:
		return validate(a.Storage())
	case *array.Struct:
		for i := range a.NumField() {
			if err := validate(a.Field(i)); err != nil {
				return err
			}
		}
	case array.ListLike:
		return validate(a.ListValues())
	}
	return nil
}

func validateIndices(d *array.Dictionary) error {
	for i, size := 0, d.Dictionary().Len(); i < d.Len(); i++ {
		if d.IsNull(i) {
			continue
		}
		if at := d.GetValueIndex(i); at < 0 || at >= size {
			return unprocessable("row %d has value %d of a dictionary of %d", i, at, size)
		}
	}
	return nil
}
