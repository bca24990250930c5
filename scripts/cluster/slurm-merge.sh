#!/usr/bin/env bash
# Joins the parts that slurm-array.sh wrote, with OUT and SHARDS exported:
#     sbatch --dependency=afterok:JOB scripts/cluster/slurm-merge.sh
#SBATCH --job-name=unrelu-merge
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=01:00:00
#SBATCH --output=%x-%j.log
set -u
: "${OUT:?the folder of the parts}" "${SHARDS:?how many}"
parts=()
for ((shard = 1; shard <= SHARDS; shard++)); do
    parts+=("$OUT/part-$shard.npy")
done

"${UNRELU:-unrelu}" merge -o "$OUT/codes.npy" --report "$OUT/report.jsonl" "${parts[@]}"
status=$?
[ "$status" -eq 3 ] && exit 0
exit "$status"
