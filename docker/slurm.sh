#!/bin/bash
# A study on the nodes of a SLURM job: a Ray head on the first, a Ray node on each, the driver beside the head.
#
#     MLFLOW_TRACKING_URI=http://... sbatch --nodes=4 docker/slurm.sh sweeps/double_descent.py --replicates 3
#
# It is started in the repository, in an environment where gensweep is installed (or inside its image). The MLflow
# server runs elsewhere and outlives the job; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD come from your
# environment. Two minutes before the time limit the driver is told to end; the same command then goes on.
#SBATCH --job-name=gensweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:INT@120
set -euo pipefail
set -m # else what runs in the background would be deaf to the interrupt that is to end it

: "${MLFLOW_TRACKING_URI:?the address of an MLflow server that every node reaches}"
[ "$#" -gt 0 ] || { echo "usage: sbatch docker/slurm.sh sweeps/NAME.py [settings]" >&2; exit 2; }

# Whoever else is on these nodes can reach Ray's ports, so it asks for a token, which nobody but this job knows.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(srun --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" hostname --ip-address | awk '{ print $1 }')
port=$((20000 + SLURM_JOB_ID % 20000)) # two jobs may share a machine

start() { # one Ray node in the background, on the node of the cluster that is named first
    local node=$1
    shift
    srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" ray start --block --disable-usage-stats "$@" &
}

start "${nodes[0]}" --head --node-ip-address="$head" --port="$port"
until ray status --address="$head:$port" >/dev/null 2>&1; do
    kill -0 %1 # ends the script where the head has ended
    sleep 1
done
for node in "${nodes[@]:1}"; do
    start "$node" --address="$head:$port"
done
until [ "$(ray status --address="$head:$port" | grep -c '^ *1 node_')" -ge "${#nodes[@]}" ]; do
    kill -0 %1
    sleep 1
done

python "$@" --address "$head:$port" &
driver=$!
trap 'kill -INT "$driver"' INT TERM
status=0
wait "$driver" || status=$?
# A signal ends the first wait at once; the driver then still has its results to store.
while kill -0 "$driver" 2>/dev/null; do
    status=0
    wait "$driver" || status=$?
done
exit "$status"
