#!/usr/bin/env bash
# Runs the checks in stages, stops at the first that fails, and says how long each took.
#   scripts/test.sh         all of them
#   scripts/test.sh quick   formatting, lints, tidy, unit tests
# Every stage builds with the same profile, flags and selection of packages, so nothing is compiled twice.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:$HOME/.cargo/bin"

names=()
seconds=()

summary() {
    local status=$? i
    printf '\n'
    for i in "${!names[@]}"; do
        printf '  %-12s %5s s\n' "${names[$i]}" "${seconds[$i]:-failed after $((SECONDS - since))}"
    done
    [ "$status" -eq 0 ] && printf '  all passed in %s s\n' "$SECONDS" || printf '  FAILED after %s s\n' "$SECONDS"
    exit "$status"
}
trap summary EXIT

stage() {
    names+=("$1")
    since=$SECONDS
    shift
    printf '\n== %s: %s\n' "${names[-1]}" "$*"
    "$@"
    seconds+=($((SECONDS - since)))
}

vectors=${CHANCERY_VECTORS:-../shared/vectors}
if [ -d "$vectors" ]; then
    CHANCERY_VECTORS=$(cd "$vectors" && pwd)
    export CHANCERY_VECTORS
fi

quick=${1:-}
stage setup scripts/setup.sh test
stage format cargo fmt --all --check
stage toml env RUST_LOG=error target/tools/bin/taplo fmt --check
stage spelling target/tools/bin/typos
stage lints cargo clippy --workspace --all-targets --quiet -- -D warnings
if [ "$quick" = quick ]; then
    stage tidy cargo xtask tidy
    stage tests cargo nextest run --workspace --lib --bins
    exit 0
fi
stage docs env RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --quiet
stage tests cargo nextest run --workspace --profile ci
# The programs with the features of their tests: a build of one package alone, or without tests, would compile most
# dependencies once more.
stage programs cargo build --workspace --bins --tests --quiet
programs=${CARGO_TARGET_DIR:-target}/debug
stage tidy "$programs/xtask" tidy
stage doctests cargo test --workspace --doc --quiet
stage demo "$programs/order-demo"
