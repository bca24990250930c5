#!/usr/bin/env bash
# Runs the README's two commands on a bare Debian: as root, and as a user who cannot become root.
#
#     scripts/bare_machine.sh [--mirror URL] [--suite NAME] [--only root|user]
#                             [--share-target] [--prerequisites-only]
#
# Builds a minimal root with debootstrap, installs only the README's prerequisites there, and copies
# the tracked files in. Rust is this machine's toolchain (RUSTUP_HOME, CARGO_HOME), mounted
# read-only in place of an installation. The crates are copied from this machine's cache, so the
# times are for building, without downloads. The user's run first checks that scripts/test.sh says
# what to install. Needs root, debootstrap, a package mirror and about 8 GB in TMPDIR. Each of the
# two runs builds everything from scratch.
#
# --mirror URL          the package mirror; default: the one in this machine's apt configuration
# --suite NAME          the release, for example bookworm; default: this machine's
# --only root|user      one of the two runs
# --share-target        the user's run reuses root's build: tests permissions, not times
# --prerequisites-only  stop once cargo answers in the bare root: checks this script in minutes
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'scripts/bare_machine.sh: %s\n' "$1" >&2
    [ $# -eq 1 ] || printf '%s\n' "${@:2}" >&2
    exit 1
}

# The mounts are in a separate namespace, so they end with this script, however it ends.
if [ -z "${UNRELU_BARE_MACHINE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || fail 'run it as root: it needs mount and chroot'
    command -v debootstrap >/dev/null || fail 'found no debootstrap; run apt-get install debootstrap'
    UNRELU_BARE_MACHINE=1 exec unshare --mount -- "$0" "$@"
fi

mirror='' suite='' runs=(root user) share='' prerequisites_only=''
while [ $# -gt 0 ]; do
    case $1 in
        --mirror | --suite | --only)
            [ $# -ge 2 ] || fail "$1 needs a value"
            case $1 in
                --mirror) mirror=$2 ;;
                --suite) suite=$2 ;;
                --only)
                    [[ $2 == root || $2 == user ]] || fail "--only: found $2, expected root or user"
                    runs=("$2")
                    ;;
            esac
            shift
            ;;
        --share-target) share=1 ;;
        --prerequisites-only) prerequisites_only=1 ;;
        *) fail "found $1; the options are at the head of this file" ;;
    esac
    shift
done
[ -z "$share" ] || [ ${#runs[@]} -eq 2 ] || fail '--share-target needs both runs: leave out --only'

# shellcheck source=/dev/null
[ -n "$suite" ] || suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || fail 'found no release name in /etc/os-release; give --suite'
if [ -z "$mirror" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' "Codename: $suite" 'Component: main' | sed -n 1p)
    [ -n "$mirror" ] || fail "apt on this machine has no mirror of $suite; give --mirror"
fi

export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
PATH=$PATH:$CARGO_HOME/bin
toolchain=$(rustc --print sysroot 2>&1) \
    || fail 'found no Rust; if it is in another home, set RUSTUP_HOME and CARGO_HOME' "$toolchain"
[ -x "$toolchain/bin/cargo" ] || fail "$toolchain/bin: found no cargo; install Rust by rustup"
[ "$toolchain" != /usr ] || fail 'found a system package of Rust in /usr; install it by rustup'
[ -d "$CARGO_HOME/registry/cache" ] || fail "$CARGO_HOME/registry: found no crates; run cargo fetch"

work=$(mktemp -d)
mounts=()
unmount() {
    local index
    for ((index = ${#mounts[@]} - 1; index >= 0; index--)); do
        umount "${mounts[index]}" || umount --lazy "${mounts[index]}" || true
    done
    mounts=()
}
# Deletes a folder, but never through a mount.
remove() {
    if grep -qF " $1/" /proc/self/mounts; then
        fail "$1: something is still mounted there; unmount it and remove the folder by hand"
    fi
    rm -rf --one-file-system "$1"
}
clean_up() {
    unmount
    remove "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mount_on() {
    local at=${!#}
    mkdir -p "$at"
    mount "$@"
    mounts+=("$at")
}

# as NAME COMMAND...: runs the command in $root with the variables of a fresh login, and no others.
as() {
    local name=$1 home=/root
    local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    shift
    [ "$name" = root ] || home=/home/$name path=/usr/local/bin:/usr/bin:/bin
    local variables=(HOME="$home" USER="$name" PATH="/opt/rust/bin:$path" LANG=C.UTF-8
        CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true DEBIAN_FRONTEND=noninteractive)
    local proxy
    for proxy in http_proxy https_proxy no_proxy; do
        [ -z "${!proxy:-}" ] || variables+=("$proxy=${!proxy}")
    done
    chroot --userspec="$name:$name" "$root" /usr/bin/env -i "${variables[@]}" \
        /bin/bash -c 'cd /opt/unrelu && exec "$@"' bash "$@"
}

times=()
timed() {
    local what=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$what"
    "$@"
    times+=("$(printf '%6d s  %s' $((SECONDS - start)) "$what")")
}

# Mounts the shared folders of this machine into $root, and makes NAME the owner of the others.
lend() {
    mount_on -t proc proc "$root/proc"
    mount_on -t sysfs -o ro sysfs "$root/sys"
    mount_on --bind "$toolchain" "$root/opt/rust"
    mount -o remount,bind,ro "$root/opt/rust"
    mkdir -p "$root/opt/cargo/registry" "$root/opt/unrelu"
    if [ ! -d "$root/opt/cargo/registry/cache" ]; then
        cp -r "$CARGO_HOME/registry/cache" "$CARGO_HOME/registry/index" "$root/opt/cargo/registry/"
    fi
    git -c safe.directory="$PWD" ls-files -z \
        | tar --create --null --files-from=- | tar --extract --no-same-owner -C "$root/opt/unrelu"
    chroot "$root" chown -R "$1:$1" /opt/cargo /opt/unrelu
}

# scripts/test.sh, run by NAME, must fail here and print the repairing command; runs it as root.
install_as_told() {
    local name=$1 said command
    if said=$(as "$name" scripts/test.sh --no-run 2>&1); then
        fail "scripts/test.sh found all packages in the bare root: $said"
    fi
    printf '%s\n' "$said"
    [[ $said != *'not found'* ]] || fail 'scripts/test.sh called a program that is not there'
    command=$(sed -n 's/^  \(apt-get update && apt-get install .*\)$/\1/p' <<<"$said")
    [ -n "$command" ] || fail 'scripts/test.sh did not say what to install'
    printf '\n# %s\n' "$command"
    as root bash -c "$command"
}

root=$work/base
timed "debootstrap: $suite from $mirror" debootstrap --variant=minbase "$suite" "$root" "$mirror"
mkdir -p "$root/opt/unrelu"
timed 'prerequisites: build-essential' \
    as root bash -c 'apt-get update && apt-get install -y build-essential'
as root apt-get clean
as root useradd --create-home --shell /bin/bash user

for name in "${runs[@]}"; do
    root=$work/as-$name
    # The last run uses the root itself. A shared target is moved from the run before.
    if [ "$name" = "${runs[-1]}" ]; then
        mv "$work/base" "$root"
    else
        cp -a "$work/base" "$root"
    fi
    if [ -n "$share" ] && [ -d "$work/shared" ]; then
        rmdir "$root/opt/unrelu"
        mv "$work"/shared/* "$root/opt/"
    fi
    lend "$name"
    printf '\n== as %s\n' "$(as "$name" id)"
    as "$name" cargo --version
    [ -n "$prerequisites_only" ] \
        || timed "$name: cargo run --release -- demo" as "$name" cargo run --release -- demo
    [ "$name" = root ] \
        || timed "$name: what scripts/test.sh says to install" install_as_told "$name"
    [ -n "$prerequisites_only" ] || timed "$name: scripts/test.sh" as "$name" scripts/test.sh
    unmount
    if [ -n "$share" ]; then
        mkdir -p "$work/shared"
        mv "$root/opt/cargo" "$root/opt/unrelu" "$work/shared/"
    fi
    remove "$root"
done

printf '\n== times\n'
printf '%s\n' "${times[@]}"
