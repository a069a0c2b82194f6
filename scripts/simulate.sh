#!/usr/bin/env bash
# Runs very many seeds, a range at a time, and adds what came of each range to a log: what is interrupted goes on
# where it was.
#   scripts/simulate.sh SEEDS LOG [RANGE] [JOBS]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=$1 log=$2 range=${3:-50000} jobs=${4:-1}
touch "$log"
cargo build --release --quiet -p chancery-sim
binary=${CARGO_TARGET_DIR:-target}/release/chancery-sim
# Of each range of seeds one in eleven has definitions of up to six steps; the others wide, varied, open and fanned
# ones, TCCs, sagas whose steps run others, schedules, forks, sagas that ask people, and governed ones.
for ((first = 0; first < seeds; first += range)); do
    grep -q "^range $first $range: .* 0 failures" "$log" && continue
    from=$first
    for sort in narrow wide varied open tcc fanned children scheduled forked asked governed; do
        part=$((range / 11)) sort_flag=("--$sort")
        [ "$sort" = narrow ] && part=$((range - 10 * part)) sort_flag=()
        grep -q "^$sort $from $part: .* 0 failures" "$log" && { from=$((from + part)); continue; }
        since=$SECONDS
        out=$("$binary" --seed "$from" --seeds "$part" --jobs "$jobs" "${sort_flag[@]}" --all) || true
        grep -E '^(seed|  replay|  smallest)' <<<"$out" >>"$log" || true
        totals=$(grep -E '^[0-9]+ seeds' <<<"$out")
        echo "$sort $from $part: $totals, $((SECONDS - since)) s" >>"$log"
        [[ $totals == *" 0 failures" ]] || failed=1
        from=$((from + part))
    done
    [ -z "${failed:-}" ] || { echo "a seed failed: see $log" >&2; exit 1; }
    echo "range $first $range: done, 0 failures" >>"$log"
done
