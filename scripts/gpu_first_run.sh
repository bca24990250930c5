#!/usr/bin/env bash
# Tests and measures unrelu on a machine with a graphics card, in one call of at most ten minutes.
# That machine needs the card's driver. It needs no Rust, no network and no root.
#
#     scripts/gpu_first_run.sh --prepare FOLDER   on the machine that builds: fills FOLDER
#     FOLDER/gpu_first_run.sh                     on the machine with the card
#
# FOLDER then holds the stripped programs (unrelu, kernels, device_clock), the Debian packages of
# the Vulkan loader, the bundled generators and this script: less than 64 MB. The packages are
# unpacked beside the results, and only where the machine lacks a library.
#
# Each step has a time limit. A step that fails is named, and the others still run. The results are
# OUT/first_run.json and OUT/first_run.md, a section for docs/PERFORMANCE.md; all that the programs
# printed is in OUT/logs. The exit code is 1 if a step failed, was stopped at its limit, or found no
# time left. Only the tests of the kernels may be stopped: the results say how many passed by then.
#
# --out FOLDER      for the results; default: ./first_run
# --minutes N       for everything; default: 9
# --software        also take a software adapter, which says nothing about hardware
# --small           small sizes, for a trial of this script
# --no-build        with --prepare: takes what is already built in target/release
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    printf 'gpu_first_run.sh: %s\n' "$1" >&2
    exit 1
}

prepare='' build=1 out=first_run minutes=9 software='' small=''
while [ $# -gt 0 ]; do
    case $1 in
        --prepare | --out | --minutes)
            [ $# -ge 2 ] || fail "$1 needs a value"
            case $1 in
                --prepare) prepare=$2 ;;
                --out) out=$2 ;;
                --minutes) minutes=$2 ;;
            esac
            shift
            ;;
        --software) software=1 ;;
        --small) small=1 ;;
        --no-build) build='' ;;
        *) fail "found $1; the options are at the head of this file" ;;
    esac
    shift
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || fail "--minutes: found $minutes, expected a whole number from 1 up"

# The newest program target/release/deps/NAME-*.
newest() {
    local file found=''
    for file in "target/release/deps/$1"-*; do
        [[ -f $file && -x $file && $file != *.* ]] || continue
        [[ -n $found && $found -nt $file ]] || found=$file
    done
    printf '%s' "$found"
}

# Loader, and what NVIDIA's Vulkan driver loads on a machine without a display.
packages=(libvulkan1 libglvnd0 libegl1 libglx0 libgl1 libx11-6 libxcb1 libxext6 libxau6 libxdmcp6
    libbsd0 libmd0)

prepare_folder() {
    cd "$here/.."
    mkdir -p "$prepare/packages" "$prepare/scripts" "$prepare/examples"
    prepare=$(cd "$prepare" && pwd)
    if [ -n "$build" ]; then
        cargo build --release --locked
        cargo test --release --locked --test kernels --no-run
        cargo bench --locked --bench device_clock --no-run
    fi
    local kernels clock
    kernels=$(newest kernels) clock=$(newest device_clock)
    [ -x target/release/unrelu ] || fail 'found no target/release/unrelu; leave out --no-build'
    [ -n "$kernels" ] || fail 'found no test program kernels; leave out --no-build'
    strip --strip-all -o "$prepare/unrelu" target/release/unrelu
    strip --strip-all -o "$prepare/kernels" "$kernels"
    if [ -n "$clock" ]; then
        strip --strip-all -o "$prepare/device_clock" "$clock"
    else
        echo 'found no benchmark device_clock: the comparison with PyTorch will be left out'
    fi
    (cd "$prepare/packages" && apt-get download "${packages[@]}")
    # Tests of the kernels read the sources.
    cp -r src "$prepare/"
    cp examples/*.safetensors "$prepare/examples/"
    cp scripts/bench_torch.py "$prepare/scripts/"
    cp scripts/gpu_first_run.sh "$prepare/"
    du -sm "$prepare" | sed 's/\t/ MB in /'
}

if [ -n "$prepare" ]; then
    prepare_folder
    exit
fi

[ -x "$here/unrelu" ] || fail "$here: found no unrelu; run this script in a folder that --prepare filled"
[ ! -e "$out" ] || fail "$out exists; remove it, or give another --out"
mkdir -p "$out/logs"
out=$(cd "$out" && pwd)
logs=$out/logs
cd "$here"
unrelu=$here/unrelu network=examples/mnist_relu_20_60_784.safetensors
until_second=$((minutes * 60)) date=$(date -u +%Y-%m-%d)
libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)

# Text as a JSON string.
quoted() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "$(tr -d '\000-\037' <<<"$text")"
}

steps=() failed=0
# record NAME STATUS SECONDS LIMIT MESSAGE
record() {
    printf '%-24s %-10s %4d s  %s\n' "$1" "$2" "$3" "$5"
    [ "$2" != failed ] || failed=1
    steps+=("{\"step\": $(quoted "$1"), \"status\": \"$2\", \"seconds\": $3, \"limit\": $4, \"message\": $(quoted "$5")}")
}

# step NAME LIMIT COMMAND...: runs the command for at most LIMIT seconds, and for what is left.
# Its output is in $logs/NAME.out and NAME.err.
status=''
step() {
    local name=$1 limit=$2 begin=$SECONDS code=0 message
    shift 2
    local left=$((until_second - SECONDS - 5))
    ((limit <= left)) || limit=$left
    if ((limit < 3)); then
        status='left out' failed=1
        record "$name" "$status" 0 0 'no time left; give more --minutes'
        return
    fi
    # After the first signal unrelu would finish its batch.
    # The outer redirection hides the shell's own line about a killed program.
    { timeout --kill-after=2 "$limit" "$@" >"$logs/$name.out" 2>"$logs/$name.err" || code=$?; } 2>/dev/null
    message=$(grep -v '^ *$' "$logs/$name.err" | tail -n 1 || true)
    case $code in
        0) status=ok message='' ;;
        # Observations without a certified answer are counted in the result.
        3) status=ok ;;
        124 | 137)
            status=stopped message="reached its limit of $limit s"
            # The tests of the kernels run as far as their time goes.
            [ "$name" = kernels ] || failed=1
            ;;
        *) status=failed message="exit code $code: $message" ;;
    esac
    record "$name" "$status" $((SECONDS - begin)) "$limit" "$message"
}

# Unpacks the libraries that the machine lacks.
unpack_loader() {
    local package file
    [[ $libraries != *libvulkan.so.1* ]] || return 0
    command -v dpkg-deb >/dev/null || { echo 'found no dpkg-deb, which unpacks the Vulkan loader' >&2; return 1; }
    for package in packages/*.deb; do dpkg-deb -x "$package" "$out/loader"; done
    mkdir -p "$out/libraries"
    while IFS= read -r file; do
        [[ $libraries == *"${file##*/} "* ]] || cp -P "$file" "$out/libraries/"
        # The file that a link names comes along, whatever the machine has.
        [ ! -L "$file" ] || cp "$(readlink -f "$file")" "$out/libraries/"
    done < <(find "$out/loader" -name 'lib*.so.*')
    rm -rf "$out/loader"
}

# value FILE KEY: the first value of this key in unrelu's JSON, which has one key per line.
value() {
    sed -n "s/^ *\"$2\": \(.*[^,]\),\{0,1\}\$/\1/p" "$1" 2>/dev/null | head -n 1 | sed 's/^"\(.*\)"$/\1/'
}

# The adapter's name: hardware first.
adapter='' hardware=false
choose_adapter() {
    local wanted name is
    for wanted in true ${software:+false}; do
        while IFS=$'\t' read -r name is; do
            [ "$is" != "$wanted" ] || { adapter=$name hardware=$is; return 0; }
        done < <(awk -F'": ' '/"name"/ { name = $2; gsub(/^"|",?$/, "", name) }
            /"hardware"/ { sub(/,$/, "", $2); print name "\t" $2 }' "$logs/devices.out")
    done
    return 1
}


unpack_loader 2>"$logs/loader.err" || record loader failed 0 0 "$(tail -n 1 "$logs/loader.err")"
[ ! -d "$out/libraries" ] || export LD_LIBRARY_PATH=$out/libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
[ ! -d /usr/local/nvidia/lib64 ] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64

# Containers often have NVIDIA's driver, but no file where the loader looks for it.
for library in libGLX_nvidia.so.0 libEGL_nvidia.so.0; do
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3"}}\n' \
        "$library" >"$logs/$library.json"
done
chosen=''
for driver in '' /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json \
    "$logs/libGLX_nvidia.so.0.json" "$logs/libEGL_nvidia.so.0.json"; do
    [[ -z $driver || -f $driver ]] || continue
    timeout -k 2 20 env ${driver:+VK_DRIVER_FILES="$driver"} "$unrelu" devices --json \
        >"$logs/devices.out" 2>"$logs/devices.err" || continue
    ! grep -q '"hardware": true' "$logs/devices.out" || { chosen=$driver; break; }
done
[ -z "$chosen" ] || export VK_DRIVER_FILES=$chosen
step devices 20 "$unrelu" devices --json
choose_adapter || record adapter failed 0 0 'found no graphics card; --software also takes a software adapter'

batches=(256 1024 4096 16384 65536) count=4096 per_pass=5 bench_limit=45 solve_limit=40 kernels_limit=150
extra=()
if [ -n "$small" ]; then
    batches=(16 64) count=64 per_pass=0.5 bench_limit=25 solve_limit=25 kernels_limit=40 extra=(--quick)
fi

passed=0 wrong=0 tests=0
if [ -n "$adapter" ]; then
    tests=$(timeout 20 ./kernels --list --ignored 2>/dev/null | grep -c ': test$' || true)
    step kernels "$kernels_limit" env UNRELU_TEST_ADAPTER="$adapter" ./kernels --ignored
    passed=$(grep -c '^test .* ok$' "$logs/kernels.out" || true)
    wrong=$(grep -c '^test .* FAILED$' "$logs/kernels.out" || true)
    ((wrong == 0)) || failed=1
    for batch in "${batches[@]}"; do
        step "throughput-$batch" "$bench_limit" "$unrelu" bench throughput ${extra[@]+"${extra[@]}"} --json \
            --adapter "$adapter" --quantities forward,classify,descend --batches "$batch" --seconds "$per_pass"
    done
fi

step observations 20 "$unrelu" generate "$network" --count "$count" --seed 1 --noise uniform:0.01 --dtype f32 \
    --codes-out "$out/codes.npy" -o "$out/observations.npy"
for method in linf best; do
    for device in cpu gpu; do
        if [ "$device" = gpu ] && [ -z "$adapter" ]; then continue; fi
        on=(--device "$device")
        [ "$device" = cpu ] || on+=(--adapter "$adapter")
        step "$method-$device" "$solve_limit" "$unrelu" invert "$network" "$out/observations.npy" --json --force \
            -o "$out/answer.npy" --method "$method" --epsilon 0.01 "${on[@]}"
    done
done

if [ ! -x device_clock ]; then
    record pytorch 'left out' 0 0 'found no device_clock in this folder'
elif timeout -k 2 60 python3 -c 'import numpy, sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    step pytorch 150 env PYTHONUNBUFFERED=1 python3 scripts/bench_torch.py --unrelu "$unrelu" --clock ./device_clock \
        --no-compiled --rounds 3 --seconds 0.1 --batches 256,1024,8192
else
    record pytorch 'left out' 0 0 'found no Python with NumPy, and torch with CUDA'
fi
rm -f "$out"/*.npy "$out"/*.partial "$out"/answer*

# json FILE: what a step printed, or null if it is not whole.
json() {
    if [ -s "$1" ] && [[ $(tail -n 1 "$1") == @(']'|'}') ]]; then cat "$1"; else echo null; fi
}
{
    printf '{\n"adapter": %s,\n"hardware": %s,\n"date": "%s",\n' "$(quoted "$adapter")" "$hardware" "$date"
    printf '"unrelu": %s,\n"processors": %s,\n' "$(quoted "$("$unrelu" --version)")" "$(nproc)"
    printf '"kernel_tests": {"all": %d, "passed": %d, "failed": %d},\n"steps": [\n' "$tests" "$passed" "$wrong"
    for ((index = 0; index < ${#steps[@]}; index++)); do
        printf '%s%s\n' "${steps[index]}" "$([ $((index + 1)) -eq ${#steps[@]} ] || echo ,)"
    done
    printf '],\n"devices": '
    json "$logs/devices.out"
    printf ',\n"throughput": [\n'
    comma=''
    for batch in "${batches[@]}"; do
        printf '%s' "$comma"
        json "$logs/throughput-$batch.out"
        comma=,
    done
    printf '],\n"inversions": {\n'
    comma=''
    for method in linf best; do
        for device in cpu gpu; do
            printf '%s"%s-%s": ' "$comma" "$method" "$device"
            json "$logs/$method-$device.out"
            comma=,
        done
    done
    printf '},\n"pytorch": [\n'
    comma=''
    while IFS= read -r line; do
        printf '%s%s\n' "$comma" "$(quoted "$line")"
        comma=,
    done < <(grep '^|\|^unrelu\|^PyTorch' "$logs/pytorch.out" 2>/dev/null || true)
    printf ']\n}\n'
} >"$out/first_run.json"

{
    kind='a software rasterizer: these figures say nothing about hardware'
    [ "$hardware" = false ] || kind='a graphics card'
    printf '## First run on %s\n\n' "${adapter:-no adapter}"
    [ -z "$adapter" ] || printf '%s, %s. ' "$date" "$kind"
    printf '%s.\n' "$("$unrelu" --version), $(nproc) processors"
    printf 'Kernel tests that need an adapter: %d of %d passed, %d failed.\n' "$passed" "$tests" "$wrong"
    printf '\n| step | result | seconds | |\n|---|---|---|---|\n'
    printf '%s\n' "${steps[@]}" | sed -E \
        's/^\{"step": "(.*)", "status": "(.*)", "seconds": (.*), "limit": .*, "message": "(.*)"\}$/| \1 | \2 | \3 | \4 |/'
    printf '\nMedians per pass, from and to the memory of the host.\n'
    printf '\n| network | quantity | batch | device | wall, ms | kernels, ms | per second | of its peak |'
    printf '\n|---|---|---|---|---|---|---|---|\n'
    for batch in "${batches[@]}"; do
        [ ! -s "$logs/throughput-$batch.out" ] || cat "$logs/throughput-$batch.out"
    done | awk '
        function shown(text, factor) {
            if (text == "null") return "–"
            return sprintf(text * factor < 1000 ? "%.3g" : "%.0f", text * factor)
        }
        /^ *"/ {
            key = $1; gsub(/[":]/, "", key)
            text = $0; sub(/^ *"[^"]*": /, "", text); sub(/,$/, "", text); gsub(/^"|"$/, "", text)
            of[key] = text
        }
        /^ *}/ {
            wall = of["note"] == "null" ? shown(of["seconds_median"], 1000) : of["note"]
            share = of["share_of_peak"] == "null" ? "–" : sprintf("%.1f %%", of["share_of_peak"] * 100)
            print "| " of["network"] " | " of["quantity"] " | " of["batch"] " | " of["adapter"] " | " wall \
                " | " shown(of["kernel_seconds"], 1000) " | " shown(of["per_second"], 1) " | " share " |"
        }'
    printf '\nInversions of %d observations of the trained 20 → 60 → 784 generator, uniform noise 0.01.\n' "$count"
    printf '\n| method | device | seconds | per second | solved |\n|---|---|---|---|---|\n'
    for method in linf best; do
        for device in cpu gpu; do
            file=$logs/$method-$device.out
            [ -s "$file" ] || continue
            awk -v method=$method -v count="$count" -v device="$(value "$file" device)" \
                -v total="$(value "$file" total)" -v solved="$(value "$file" solved)" 'BEGIN {
                printf "| %s | %s | %.2f | %.4g | %d |\n", method, device, total, count / total, solved }'
        done
    done
    ! grep -q '^|' "$logs/pytorch.out" 2>/dev/null \
        || { printf '\nunrelu against PyTorch, milliseconds per call.\n\n'; sed 1d "$logs/pytorch.out"; }
} >"$out/first_run.md"
echo "results: $out/first_run.json, $out/first_run.md"
exit "$failed"
