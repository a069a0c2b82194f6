#!/usr/bin/env bash
# Draws where a workload's server spends its processor time, as a flame graph: wide is much, above is called by below.
#   scripts/flame.sh WORKLOAD CLIENTS OUT.svg      such as saga-remote-10 128 target/flame.svg
# Needs `perf` (Debian: linux-perf) and the right to use it.
set -euo pipefail
cd "$(dirname "$0")/.."
workload=$1 clients=$2 out=$3
seconds=20 INFERNO_VERSION=0.12.8
command -v perf >/dev/null || { echo 'flame: perf is missing: install linux-perf or linux-tools' >&2; exit 1; }
tools=$PWD/target/tools
# Does nothing where that version is there.
cargo install --quiet --locked --root "$tools" inferno --version "$INFERNO_VERSION"
cargo build --release --locked --package chancery-bench

case $workload in
saga-inprocess-3) child="chancery-bench --seconds $seconds inprocess $clients" ;;
saga-remote-10) child='chancery-bench server' ;;
*) echo "flame: $workload is not saga-inprocess-3 or saga-remote-10" >&2; exit 1 ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
target/release/chancery-bench --out "$scratch/figures" --seconds "$seconds" --only "$workload" --clients "$clients" &
bench=$!
for ((tries = 0; tries < 120; tries++)); do
    server=$(pgrep -P "$bench" -f "$child" || true)
    [ -z "$server" ] || break
    sleep 1
done
[ -n "$server" ] || { echo 'flame: the server did not start' >&2; exit 1; }
# Beyond the warming up.
sleep $((seconds / 3))
perf record --quiet --freq 199 --call-graph dwarf,16384 --pid "$server" --output "$scratch/samples" -- sleep 8
wait "$bench"
# Inlined functions would have to be looked up one by one, which takes minutes.
perf script --no-inline --input "$scratch/samples" 2>/dev/null |
    "$tools/bin/inferno-collapse-perf" >"$scratch/stacks"
"$tools/bin/inferno-flamegraph" --title "$workload, $clients clients" --minwidth 0.3 "$scratch/stacks" >"$out"
