#!/usr/bin/env bash
# One shard per task: sbatch --array=1-$SHARDS scripts/cluster/slurm-array.sh, with NETWORK,
# OBSERVATIONS, OUT and SHARDS exported. When it is submitted again, finished tasks do nothing and
# the others continue. docs/CLUSTER.md explains it.
#SBATCH --job-name=unrelu
#SBATCH --cpus-per-task=16
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --output=%x-%A_%a.log
set -u
: "${NETWORK:?the network}" "${OBSERVATIONS:?the observations}" "${OUT:?a folder for the parts}" "${SHARDS:?how many}"
shard=${SLURM_ARRAY_TASK_ID:?not an array job}
part=$OUT/part-$shard
mkdir -p "$OUT"

# OPTIONS is several words.
# shellcheck disable=SC2086
"${UNRELU:-unrelu}" invert "$NETWORK" "$OBSERVATIONS" -o "$part.npy" --report "$part.jsonl" \
    --shard "$shard/$SHARDS" --threads "${SLURM_CPUS_PER_TASK:-1}" --resume ${OPTIONS:-} &
run=$!

# The scheduler sends SIGTERM to this shell, which would end at once and stop the run. Instead the
# shell passes the signal on and waits for the run to end.
warned=
trap 'warned=1; kill -TERM "$run"' TERM
wait "$run"
status=$?
if [ -n "$warned" ]; then
    wait "$run"
    status=$?
fi

# 3: finished; the report says which observations have no certified answer.
[ "$status" -eq 3 ] && exit 0
exit "$status"
