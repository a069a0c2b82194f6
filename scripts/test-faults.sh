#!/usr/bin/env bash
# What takes too long for `make test`, stage by stage; all of them, or those that are named: simulation, kills,
# kills_postgres, hostile, fuzz.
#   CHANCERY_SEEDS  how many seeds the simulation runs; a seed that fails is printed, and replays the same run
#   CHANCERY_KILLS  how often the kill campaign kills; it prints its seed, and every 25 kills what came of them
#   CHANCERY_POSTGRES_KILLS  the same on PostgreSQL
#   CHANCERY_HOSTILE  how many requests hostile clients send
#   FUZZ_SECONDS    how long each fuzz target runs
set -euo pipefail
cd "$(dirname "$0")/.."

# Many more seeds than `make test` runs, and the sabotaged builds.
simulation() {
    export CHANCERY_SEEDS=${CHANCERY_SEEDS:-50000}
    # The whole workspace is selected and then filtered, so that this builds with the features of `make test`.
    cargo nextest run --workspace --profile faults --run-ignored all -E 'package(chancery-sim)'
}

# The kill campaign at full length.
kills() {
    export CHANCERY_KILLS=${CHANCERY_KILLS:-500}
    cargo nextest run --workspace --profile faults --no-capture \
        -E 'binary_id(chancery-cli::faults) - test(postgres::) - test(/^hostile::/)'
}

# The same on PostgreSQL, which is killed, too.
kills_postgres() {
    export CHANCERY_POSTGRES_KILLS=${CHANCERY_POSTGRES_KILLS:-500}
    cargo nextest run --workspace --profile faults --no-capture \
        -E 'binary_id(chancery-cli::faults) & test(postgres::)'
}

# Hostile clients and workers at full length.
hostile() {
    export CHANCERY_HOSTILE=${CHANCERY_HOSTILE:-100000}
    cargo nextest run --workspace --profile faults --success-output final \
        -E 'binary_id(chancery-cli::faults) & test(/^hostile::/)'
}

fuzz() { scripts/fuzz.sh; }

stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(simulation kills kills_postgres hostile fuzz)
for stage in "${stages[@]}"; do
    printf '\n== %s\n' "$stage"
    "$stage"
done
