#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS (60), from its corpus; a find is kept, and fails the run.
#   scripts/fuzz.sh                 all of them
#   scripts/fuzz.sh json record     these
# FUZZ_SANITIZER=address also watches the memory of the crates that we use; ours have no unsafe code.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:$HOME/.cargo/bin"

CARGO_FUZZ_VERSION=0.13.2
work=target/fuzz
seconds=${FUZZ_SECONDS:-60}
sanitizer=${FUZZ_SANITIZER:-none}

command -v c++ >/dev/null 2>&1 || { printf 'fuzz: install a C++ compiler: apt-get install g++\n' >&2; exit 1; }
if ! cargo fuzz --version 2>/dev/null | grep -qF "$CARGO_FUZZ_VERSION"; then
    printf 'fuzz: building cargo-fuzz %s, once (some minutes)\n' "$CARGO_FUZZ_VERSION"
    cargo install --quiet --locked cargo-fuzz --version "$CARGO_FUZZ_VERSION"
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# The fuzzer needs flags that a stable compiler takes only when told so. The machine's compiler stays the same.
export RUSTC_BOOTSTRAP=1
options=(--fuzz-dir fuzz --target-dir "$work" --sanitizer "$sanitizer")
cargo fuzz build "${options[@]}"

found=()
for target in "${targets[@]}"; do
    # What the fuzzer learns goes to the first folder; the committed corpus is read only.
    learned=$work/corpus/$target
    finds=$work/finds/$target
    mkdir -p "$learned" "$finds"
    printf '\nfuzz: %s for %s s\n' "$target" "$seconds"
    cargo fuzz run "${options[@]}" "$target" "$learned" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$finds/" || found+=("$target")
done
if [ ${#found[@]} -gt 0 ]; then
    printf '\nfuzz: finds in %s, see %s/finds. Minimise: cargo fuzz tmin; keep as fuzz/corpus/<target>/find-<what>\n' \
        "${found[*]}" "$work" >&2
    exit 1
fi
printf '\nfuzz: %s targets, %s s each, no finds\n' "${#targets[@]}" "$seconds"
