#!/usr/bin/env bash
# Stop the cluster that up.sh started from FOLDER, and nothing else: `ray stop` would end every Ray on the machine.
#
#   cluster/local/down.sh [FOLDER]      default FOLDER: ~/.novelray/local
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${1:-${NOVELRAY_HOME:-$HOME/.novelray}/local}"
python="${PYTHON:-$([ -x "$here/../../.venv/bin/python" ] && echo "$here/../../.venv/bin/python" || command -v python3)}"
[ -d "$folder" ] || { echo "No cluster was started from $folder." >&2; exit 2; }
folder="$(cd "$folder" && pwd)"
temp="$(cat "$folder/temp" 2>/dev/null || true)"

ours() { # our nodes' processes: by session (each node has one of its own) while the node lives, by Ray's folder afterwards
  local pid
  while read -r pid; do
    # A pid that was given to somebody else meanwhile is not a `ray start --block`.
    if [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "ray start --block"; then pgrep -s "$pid" || true; fi
  done < <(cat "$folder/pids" 2>/dev/null)
  case "$temp" in /tmp/novelray-*) pgrep -f -- "$temp/" || true ;; esac
}

stop() { # stop SIGNAL SECONDS: signal all of ours and wait for them to go
  local end=$((SECONDS + $2)) pids
  pids="$(ours | sort -un)"
  [ -n "$pids" ] || return 0
  # shellcheck disable=SC2086
  kill "-$1" $pids 2>/dev/null || true
  while [ $SECONDS -lt $end ] && [ -n "$(ours)" ]; do sleep 0.3; done
}
stop TERM 4 # after jobs, Ray drains far longer than there is anything to drain; what matters is committed
stop KILL 5
if [ -n "$(ours)" ]; then
  echo "These processes do not end: $(ours | sort -un | tr '\n' ' ')" >&2
  exit 3
fi

case "$temp" in /tmp/novelray-*) rm -rf "$temp" ;; esac
if [ -f "$folder/name" ]; then "$python" -m novelray.fleet.clusters remove "$(cat "$folder/name")"; fi
rm -f "$folder/pids" "$folder/temp" "$folder/env.sh" "$folder/name"
echo "Stopped. The token and the nodes' output are still in $folder"
