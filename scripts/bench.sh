#!/usr/bin/env bash
# Measures an optimised build on this machine, beside its floor and the peers. What it writes is one JSON object a line.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${BENCH_OUT:-target/bench.jsonl}
mkdir -p "$(dirname "$out")"
scripts/peers.sh
cargo build --release --locked --package chancery-bench
exec target/release/chancery-bench --out "$out" --peers restate,dbos,temporal "$@"
