#!/usr/bin/env bash
# Builds the Python package into a fresh virtual environment below target/, as `pip install
# ./python` does, and runs its tests, its doctests and the checks of its types.
#
#     scripts/test_python.sh                    the core tests: NumPy only
#     scripts/test_python.sh --integrations     also those with torch, onnx, deepinv, dask and ray
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

tools=(pytest mypy)
tests=()
if [ "${1:-}" = --integrations ]; then
    echo 'installing torch, onnx, deepinv, dask, ray and what they need: about 6 GB, and some minutes'
    tools+=(torch onnx onnxscript deepinv 'dask[array,distributed]' 'ray[data]' scipy pandas tqdm matplotlib)
    tools+=(nbclient nbformat ipykernel jsonschema)
    tests+=(--integrations)
fi

environment=target/python/environment
mkdir -p target/python
rm -rf "$environment"
python3 -m venv "$environment"
pip=("$environment/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install "${tools[@]}"
"${pip[@]}" install ./python

# Away from the sources, so that the installed package is what is tested.
cd target/python
python=environment/bin/python
"$python" -m pytest -c "$root/python/pyproject.toml" --rootdir "$root/python" -p no:cacheprovider \
    "$root/python/tests" ${tests[@]+"${tests[@]}"}
"$python" -m pytest -c "$root/python/pyproject.toml" --rootdir "$root/python" -p no:cacheprovider \
    --doctest-modules --pyargs unrelu._engines unrelu._network unrelu
"$python" -m mypy.stubtest unrelu._unrelu
"$python" -m mypy --config-file "$root/python/pyproject.toml"
