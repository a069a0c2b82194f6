# Chancery's chores. Each target installs what it lacks, so a fresh clone needs nothing but Rust.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-core bench-peers test-faults setup

export KEEP

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## Build, run four orders through a server that is killed on the way, verify the receipts (KEEP=1 leaves it up)
	@scripts/setup.sh build
	cargo build --workspace
	scripts/demo.sh

test: ## Everything that a change must pass: formatting, lints, all tests, the demo
	@scripts/test.sh

check: ## The quick part of it, for every save: formatting, lints, tidy, unit tests
	@scripts/test.sh quick

bench: ## Measure, and write target/bench.jsonl
	@scripts/setup.sh build
	scripts/bench.sh

bench-core: ## Measure the core's figures, and fail if one got worse since bench/recorded.json
	@scripts/setup.sh build
	BENCH_OUT=target/bench-core.jsonl scripts/bench.sh core

bench-peers: ## Measure beside Restate, in turns and in a quarter of an hour; writes target/bench-peers.jsonl
	@scripts/setup.sh build
	BENCH_OUT=target/bench-peers.jsonl scripts/bench.sh side-by-side

test-faults: ## What takes too long for `make test`: more simulated seeds, sabotaged builds, hostile clients, fuzzing
	@scripts/setup.sh test
	scripts/test-faults.sh

setup: ## Install what is missing on Debian or Ubuntu
	@scripts/setup.sh test
