#!/usr/bin/env bash
# Runs all tests, those of the GPU and of the Python package included, on a fresh Debian or Ubuntu
# machine that has Rust.
#
# Installs what is missing: a C linker, the Vulkan loader, the software Vulkan driver where there is
# no driver, and Python. Where it cannot become root, it says what to install. A GPU test fails
# where no adapter is found. All builds are in the release profile, with this crate's debug
# assertions on: tests and program share one build of the dependencies.
#
#     scripts/test.sh                    everything but the tests that need large Python packages
#     scripts/test.sh --integrations     these too: torch, onnx, deepinv, dask and ray (6 GB)
#     scripts/test.sh --python           the Python package alone, also with --integrations
#
# Other arguments go to `cargo test`, those after `--` to the tests. Then Python is left out:
#     scripts/test.sh --test kernels -- gpu_agreement
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'scripts/test.sh: %s\n' "$1" >&2
    [ $# -eq 1 ] || printf '%s\n' "${@:2}" >&2
    exit 1
}

# The Debian packages that this machine lacks, one per line.
missing_packages() {
    # An ordinary user's PATH does not have ldconfig.
    local libraries
    libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)
    command -v cc >/dev/null || echo build-essential
    [[ $libraries == *libvulkan.so.1* ]] || echo libvulkan1
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] \
        || compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null \
        || compgen -G '/usr/local/share/vulkan/icd.d/*.json' >/dev/null \
        || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null \
        || echo mesa-vulkan-drivers
    command -v python3 >/dev/null || echo python3
    # Debian's python3 has the module venv, but not what it installs.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install() {
    local as_root=() command="apt-get update && apt-get install -y --no-install-recommends $*"
    if ! command -v apt-get >/dev/null; then
        fail "found no apt-get; install the equivalents of these Debian packages, and run this again: $*"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "missing packages: $*. As root, run" "  $command" \
            "and then run this script again, as the current user."
        as_root=(sudo)
    fi
    echo "installing $*"
    "${as_root[@]}" apt-get update -qq \
        && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" \
        || fail "could not install: $*. As root, run" "  $command" "and then run this script again."
}

command -v cargo >/dev/null \
    || fail 'found no cargo; install Rust 1.89 or later: https://www.rust-lang.org/tools/install'
if [ "$(uname -s)" = Linux ]; then
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
fi

python=(scripts/test_python.sh)
what=all
while [ $# -gt 0 ]; do
    case $1 in
        --python) what=python ;;
        --integrations) python+=(--integrations) ;;
        *) break ;;
    esac
    shift
done
if [ $# -gt 0 ]; then
    [ "$what" = all ] && [ ${#python[@]} -eq 1 ] \
        || fail "found $1 after --python or --integrations; leave it out, or leave these out"
    what=rust
fi
[ "$what" != python ] || exec "${python[@]}"

for_cargo=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    for_cargo+=("$1")
    shift
done
[ $# -eq 0 ] || shift
# The test program takes only one of these.
ignored=(--include-ignored)
for argument in "$@"; do
    case $argument in --ignored | --include-ignored) ignored=() ;; esac
done

failed=0
cargo test --release --locked --no-fail-fast \
    --config 'profile.release.package.unrelu.debug-assertions=true' \
    --config 'profile.release.package.unrelu.overflow-checks=true' \
    ${for_cargo[@]+"${for_cargo[@]}"} -- ${ignored[@]+"${ignored[@]}"} "$@" || failed=$?
if [ "$what" = all ]; then
    "${python[@]}" || failed=$?
fi
exit "$failed"
