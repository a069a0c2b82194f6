#!/usr/bin/env bash
# Runs four orders through a server that is killed on the way, and verifies the receipts and the log offline.
# Any deviation from what is expected exits 1. KEEP=1 leaves the server up at the end and says where.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:$HOME/.cargo/bin"

cargo build --workspace --quiet
exec "${CARGO_TARGET_DIR:-target}/debug/order-demo"
