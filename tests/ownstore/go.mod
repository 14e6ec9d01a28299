module example.org/ownstore

go 1.26

require github.com/terrazzo-data/terrazzo v0.0.0

replace github.com/terrazzo-data/terrazzo => ../..
