#!/usr/bin/env bash
# Checks the width of Markdown and comments. Then runs Clippy on all targets, with every warning an
# error, for each set of features that differs, and on the Python package.
#
#     scripts/lint.sh                    all sets
#     scripts/lint.sh default none       the default features, and none
set -euo pipefail
cd "$(dirname "$0")/.."

# `cli` includes `pictures`, so there is no set of `cli` alone.
all=(default none pictures cli gpu gpu,pictures)
[ $# -gt 0 ] || set -- "${all[@]}"
scripts/width.py
for features in "$@"; do
    printf '\n-- features: %s\n' "$features"
    cargo clippy --release --locked --all-targets \
        --no-default-features --features "${features/#none/}" -- -D warnings
done
printf '\n-- the Python package\n'
cargo clippy --release --locked -p unrelu-python -- -D warnings
