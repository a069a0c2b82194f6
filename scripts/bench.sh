#!/usr/bin/env bash
# Measures an optimised build on this machine. What it writes is one JSON object a line.
#   scripts/bench.sh                everything, beside its floor and the peers
#   scripts/bench.sh side-by-side   Chancery and Restate in turns, in a quarter of an hour
#   scripts/bench.sh core           the core's figures beside those of bench/recorded.json
# Whatever follows goes to the harness: scripts/bench.sh side-by-side --workload saga-10
set -euo pipefail
cd "$(dirname "$0")/.."
out=${BENCH_OUT:-target/bench.jsonl}
mkdir -p "$(dirname "$out")"
peers=()
case ${1:-} in
side-by-side) scripts/peers.sh restate ;;
core) scripts/peers.sh postgresql ;;
*)
    scripts/peers.sh
    peers=(--peers restate,dbos,temporal)
    ;;
esac
cargo build --release --locked --package chancery-bench
exec target/release/chancery-bench --out "$out" "${peers[@]}" "$@"
