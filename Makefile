# `make` alone prints the targets. See CONTRIBUTING.md for what each costs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# How long each fuzz target runs, when a package's Go tests have hung, the arguments
# of the Python suites and how many run at a time.
FUZZTIME ?= 3s
TIMEOUT ?= 10m
PYTEST ?=
WORKERS ?= 2
PORT ?= 8000

.PHONY: help build demo setup check vet lint fmt test test-go test-native test-race test-cache test-python test-long fuzz bench bench-quick clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the programs: bin/terrazzo, and bin/terrazzo-host where the C libraries are
	CGO_ENABLED=0 go build -trimpath -o bin/terrazzo ./cmd/terrazzo
	@tools/setup native
	@if pkg-config --exists hdf5-serial libdeflate libtiff-4 2>/dev/null; then \
		echo CGO_ENABLED=1 go build -tags native -trimpath -o bin/terrazzo-host ./cmd/terrazzo-host; \
		CGO_ENABLED=1 go build -tags native -trimpath -o bin/terrazzo-host ./cmd/terrazzo-host; fi

demo: build ## serve demo data and print how to read it (PORT=8000)
	@tools/setup demo
	@tools/demo "$(PORT)"

setup: ## install what tests need, in folders of the checkout (and with apt for root)
	@tools/setup

check: vet lint test-go ## what to run before each commit: vet, lint, Go tests

vet:
	go vet ./...

lint: ## run the pinned linters, of Go and of Python
	@tools/setup lint python
	.tmp/bin/golangci-lint run ./...
	.venv/bin/ruff check tests bench
	.venv/bin/ruff format --check tests bench

fmt: ## format the Go and Python code
	@tools/setup lint python
	.tmp/bin/golangci-lint fmt ./...
	.venv/bin/ruff format tests bench

test-go: ## run the Go tests
	go test -timeout $(TIMEOUT) ./...

test-native: build ## run the Go tests of what is read with C libraries
	@if [ -x bin/terrazzo-host ]; then \
		CGO_ENABLED=1 go vet -tags native ./cmd/terrazzo-host ./internal/formats/native/... && \
		CGO_ENABLED=1 go test -timeout $(TIMEOUT) -tags native ./cmd/terrazzo-host ./internal/formats/native/...; \
	elif [[ ",$${TEST_MUST_RUN:-}," == *,native,* ]]; then echo "no bin/terrazzo-host, and TEST_MUST_RUN names native"; exit 1; fi

test-race: ## run the Go tests of what is concurrent with the race detector
	go test -timeout $(TIMEOUT) -race -skip TestCacheSuite $$(tools/concurrent)

test-cache: ## run the Go tests of the read path with no data cache, with one of 1 MiB, and without its code
	tools/test-cache

fuzz: ## run each fuzz target for FUZZTIME (3s)
	tools/fuzz $(FUZZTIME)

test-python: build ## compare with the real Tiled, and open the web page in a browser
	@tools/setup python node
	.venv/bin/python -m pytest tests -n $(WORKERS) $(PYTEST)

test: setup vet lint test-go test-native test-race test-cache fuzz test-python ## everything, in seconds per fuzz target

# The parts of `make test` whose counts can be full, in their order.
LONG := test-go test-native test-race fuzz test-python

test-long: setup $(LONG:%=long-%) ## everything, with full counts and a minute per fuzz target: hours

$(LONG:%=long-%): long-%: ## one of its parts: long-test-go, long-test-python ...
	TERRAZZO_TEST_LONG=1 $(MAKE) $* FUZZTIME=60s TIMEOUT=6h PYTEST="--long --timeout=10800 $(PYTEST)"

# The benchmarks in their order. BENCH has flags for each: `make bench BENCH=--quick`.
BENCH ?=
BENCHES := server datacache proxy hot formats layers client
bench_server := bench/run.py
bench_hot := bench/proxy/hot.py
bench_script = $(or $(bench_$1),bench/$1/run.py)

bench: build ## compare speed and memory with Tiled and others: tables in bench/out/*.md
	@failed=; for name in $(BENCHES); do $(MAKE) bench-$$name || failed+=" $$name"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

bench-quick: ## the same with less of everything, in minutes
	@$(MAKE) bench BENCH=--quick

$(BENCHES:%=bench-%): bench-%: build ## one of them: bench-layers, bench-client ...
	@tools/setup system python bench
	.venv/bin/python $(call bench_script,$*) $(BENCH)

clean: ## remove what was built and what tests left (not .venv and node_modules)
	rm -rf bin tests/out bench/out .tmp/demo
