#!/usr/bin/env bash
# Start a Ray cluster on this machine: a head and some workers, each a Ray node of its own, with token authentication.
#
#   cluster/local/up.sh [FOLDER]        default FOLDER: ~/.novelray/local
#
#   WORKERS=1        nodes beside the head
#   CPUS=1           CPUs that each node offers (Ray does not bind them)
#   OBJECTS_MB=512   shared memory that each node may fill with objects
#   PORT=6379        first port to try for Ray itself; the next free one is taken
#   DASHBOARD=8265   first port to try for the dashboard and the Jobs API
#   NAME=local       under which `novelray submit --cluster NAME` knows it
#   PYTHON=...       the environment with NovelRay in it; default: .venv beside this folder, else python3
#
# FOLDER holds the token (0600), the nodes' pids, their output, and env.sh, to be sourced by what talks to the cluster.
# cluster/local/down.sh FOLDER stops what this script started and nothing else.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${1:-${NOVELRAY_HOME:-$HOME/.novelray}/local}"
workers="${WORKERS:-1}" cpus="${CPUS:-1}" objects="$((${OBJECTS_MB:-512} << 20))" name="${NAME:-local}"
python="${PYTHON:-$([ -x "$here/../../.venv/bin/python" ] && echo "$here/../../.venv/bin/python" || command -v python3)}"
python="$(cd "$(dirname "$python")" && pwd)/$(basename "$python")"
export PATH="$(dirname "$python"):$PATH" # a job's entrypoint says `python`: it has to be this one

mkdir -p "$folder" && chmod 700 "$folder"
folder="$(cd "$folder" && pwd)"
if [ -s "$folder/pids" ]; then
  echo "A cluster was started from $folder before. Stop it first: cluster/local/down.sh $folder" >&2
  exit 2
fi

free_port() { # free_port FIRST [TAKEN...]: the first free port from FIRST on that is not TAKEN
  "$python" - "$@" <<'PY'
import socket, sys
first, *taken = map(int, sys.argv[1:])
for port in range(first, first + 200):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if port not in taken:
                s.bind(("127.0.0.1", port))
                break
        except OSError:
            pass
else:
    sys.exit(f"No free port from {first} on.")
print(port)
PY
}
port="$(free_port "${PORT:-6379}")"
dashboard="$(free_port "${DASHBOARD:-8265}" "$port")"
client="$(free_port 10001 "$port" "$dashboard")"

eval "$("$python" -m novelray.onray.environment)"
[ -s "$folder/token" ] || (umask 077 && "$python" -c 'import secrets; print(secrets.token_hex(32))' >"$folder/token")
chmod 600 "$folder/token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$folder/token"
unset RAY_AUTH_TOKEN RAY_ADDRESS RAY_API_SERVER_ADDRESS

# Ray's socket paths may have 107 characters, so its own files get a short name of their own. down.sh removes them.
# Each node has a folder to itself in there: nodes that share one unpack a job's working directory over each other, and
# the job finds itself in a folder that is gone.
temp="$(mktemp -d /tmp/novelray-XXXXXX)"
echo "$temp" >"$folder/temp"

node() { # node NAME ARGUMENTS...: start a Ray node in a session of its own; it stays with its pid as `ray start --block`
  local log="$folder/$1.log" own="$temp/$1"
  shift
  setsid nohup "$(dirname "$python")/ray" start --block --disable-usage-stats \
    --num-cpus "$cpus" --object-store-memory "$objects" --temp-dir "$own" \
    --min-worker-port 0 --max-worker-port 0 --dashboard-agent-listen-port 0 "$@" >"$log" 2>&1 </dev/null &
  echo $! >>"$folder/pids"
}

fail() {
  echo "$1 Its output: $folder/$2.log" >&2
  tail -n 5 "$folder/$2.log" >&2 || true
  "$here/down.sh" "$folder" >/dev/null || true
  exit 3
}

nodes_alive() {
  "$python" - "127.0.0.1:$port" <<'PY' 2>/dev/null
import sys
from ray._raylet import GcsClient
print(sum(n.state == 0 for n in GcsClient(address=sys.argv[1]).get_all_node_info(timeout=5).values()))
PY
}

wait_for() { # wait_for NODES LOG
  local end=$((SECONDS + 90))
  until [ "$(nodes_alive || echo 0)" = "$1" ]; do
    kill -0 "$(tail -n 1 "$folder/pids")" 2>/dev/null || fail "A node ended while starting." "$2"
    [ $SECONDS -lt $end ] || fail "A node did not start within 90 s." "$2"
    sleep 0.5
  done
}

node head --head --port "$port" --include-dashboard true --dashboard-host 127.0.0.1 --dashboard-port "$dashboard" \
  --ray-client-server-port "$client" --node-ip-address 127.0.0.1
wait_for 1 head
for i in $(seq 1 "$workers"); do
  node "worker-$i" --address "127.0.0.1:$port" --node-ip-address 127.0.0.1
done
[ "$workers" -eq 0 ] || wait_for "$((workers + 1))" "worker-$workers"

answers() { # the Jobs API is up when the version can be read with the token
  "$python" - "http://127.0.0.1:$dashboard" "$folder/token" <<'PY' 2>/dev/null
import sys, urllib.request
token = open(sys.argv[2]).read().strip()
request = urllib.request.Request(sys.argv[1] + "/api/jobs/", headers={"Authorization": f"Bearer {token}"})
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).read()
PY
}
end=$((SECONDS + 60))
until answers; do
  [ $SECONDS -lt $end ] || fail "The dashboard does not answer." head
  sleep 0.5
done

cat >"$folder/env.sh" <<ENV
export RAY_ADDRESS=127.0.0.1:$port RAY_API_SERVER_ADDRESS=http://127.0.0.1:$dashboard
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH='$folder/token'
ENV
echo "$name" >"$folder/name"
"$python" -m novelray.fleet.clusters add "$name" "http://127.0.0.1:$dashboard" "$folder/token"

echo "A cluster of $((workers + 1)) nodes runs at 127.0.0.1:$port, dashboard and jobs at http://127.0.0.1:$dashboard"
echo "  submit to it:   novelray submit recipe.yaml --cluster $name"
echo "  run on it:      source $folder/env.sh && novelray run recipe.yaml"
echo "  stop it:        cluster/local/down.sh $folder"
