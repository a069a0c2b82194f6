#!/usr/bin/env bash
# Installs what is missing on Debian or Ubuntu, and nothing that is there. Run it as often as you like.
#   scripts/setup.sh build   what building and running need
#   scripts/setup.sh test    that, and what the checks need (the default)
set -euo pipefail
cd "$(dirname "$0")/.."

NEXTEST_VERSION=0.9.143 # keep at least at .config/nextest.toml's nextest-version
TYPOS_VERSION=1.52.0
TAPLO_VERSION=0.9.3
TOOLS=target/tools

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

install_packages() {
    has apt-get || fail "please install by hand, since this is neither Debian nor Ubuntu: $*"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || fail "run as root, or with sudo installed: apt-get install $*"
        as_root=(sudo)
    fi
    printf 'setup: installing %s\n' "$*"
    "${as_root[@]}" apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "$@" >/dev/null ||
        fail "apt-get could not install: $*"
}

what=${1:-test}
case $what in
build | test) ;;
*) fail "unknown part \`$what\`: build or test" ;;
esac

has cargo || PATH="$HOME/.cargo/bin:$PATH"
has cargo || fail "Rust is missing: install the version that Cargo.toml names as rust-version, or newer, with rustup"

packages=()
has cc || packages+=(gcc libc6-dev)
if [ "$what" = test ]; then
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || packages+=(python3 python3-venv)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
    [ -x /usr/sbin/pgbouncer ] || packages+=(pgbouncer)
    has openssl || packages+=(openssl)
fi
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"

[ "$what" = test ] || exit 0

for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
    has rustup || fail "cargo lacks $component, and there is no rustup to add it"
    rustup component add "$component"
done

if ! cargo nextest --version >/dev/null 2>&1; then
    printf 'setup: building cargo-nextest %s, once (some minutes)\n' "$NEXTEST_VERSION"
    cargo install --quiet --locked cargo-nextest --version "$NEXTEST_VERSION"
fi

# The versions are in the marker's name, so that a new one here installs anew.
marker=$TOOLS/typos-$TYPOS_VERSION-taplo-$TAPLO_VERSION
if [ ! -e "$marker" ]; then
    printf 'setup: installing typos and taplo into %s\n' "$TOOLS"
    mkdir -p "$TOOLS"
    python3 -m venv "$TOOLS"
    "$TOOLS/bin/pip" install --quiet --disable-pip-version-check "typos==$TYPOS_VERSION" "taplo==$TAPLO_VERSION"
    touch "$marker"
fi

[ ! -x scripts/go-verifier.sh ] || scripts/go-verifier.sh
