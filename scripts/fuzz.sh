#!/usr/bin/env bash
# Runs a fuzz target for some seconds, from the stored corpus. New inputs go to a folder below
# fuzz/target/, inputs that fail to fuzz/artifacts/TARGET. Needs cargo-fuzz and a C++ compiler.
#
#     scripts/fuzz.sh npy            five minutes
#     scripts/fuzz.sh npy 3600       an hour
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?usage: scripts/fuzz.sh TARGET [SECONDS]}
seconds=${2:-300}
command -v cargo-fuzz >/dev/null || { echo 'scripts/fuzz.sh: run cargo install cargo-fuzz' >&2; exit 1; }
found=fuzz/target/found/$target
mkdir -p "$found"
# The targets write small files, which is much faster in memory. The largest input is that of the
# replay test.
if [ -d /dev/shm ] && [ -w /dev/shm ]; then
    TMPDIR=$(mktemp -d /dev/shm/unrelu-fuzz.XXXXXX)
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
fi
RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" "$found" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=20000 -timeout=20 -rss_limit_mb=2048
