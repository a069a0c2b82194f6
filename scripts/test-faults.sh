#!/usr/bin/env bash
# The simulation with many more seeds than `make test` runs, and the sabotaged builds.
# CHANCERY_SEEDS says how many; a seed that fails is printed, and replays the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
export CHANCERY_SEEDS=${CHANCERY_SEEDS:-50000}
# The whole workspace is selected and then filtered, so that this builds with the features of `make test`.
exec cargo nextest run --workspace --profile faults --run-ignored all -E 'package(chancery-sim)'
