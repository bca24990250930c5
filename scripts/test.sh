#!/usr/bin/env bash
# Passes the tests on a fresh Debian or Ubuntu machine that has Rust: installs the software Vulkan driver that the GPU
# tests run on where there is none, then runs all tests in the release profile with this crate's debug assertions on,
# so that the dependencies are built once for tests and program alike. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v cc >/dev/null || missing+=(build-essential)
ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' || missing+=(libvulkan1)
compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null \
    || missing+=(mesa-vulkan-drivers)
if [ ${#missing[@]} -gt 0 ] && [ -z "${UNRELU_SKIP_GPU:-}" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "scripts/test.sh: please install what provides these Debian packages: ${missing[*]}" >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

cargo test --release --locked \
    --config 'profile.release.package.unrelu.debug-assertions=true' \
    --config 'profile.release.package.unrelu.overflow-checks=true' "$@"
