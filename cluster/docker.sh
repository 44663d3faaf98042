#!/usr/bin/env bash
# Makes sure that a docker daemon answers and can run kind's privileged nodes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lacks_sys_resource() {  # CAP_SYS_RESOURCE is bit 24 of the bounding set
  local bounding
  bounding=$(awk '/^CapBnd/ { print $2 }' /proc/self/status)
  [ $((0x$bounding >> 24 & 1)) = 0 ]
}

if docker info >/dev/null 2>&1; then
  # Only a local daemon shares our capabilities; elsewhere (a VM, a remote host) they say nothing.
  if [ -S /var/run/docker.sock ] && [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && lacks_sys_resource &&
    [ "$(docker info -f '{{.DefaultRuntime}}')" = runc ]; then
    die "this host lacks CAP_SYS_RESOURCE, and the running docker daemon would refuse kind's privileged nodes" \
      "stop that daemon and run this again: it starts one with a runtime that leaves the capability out"
  fi
  exit 0
fi

step "Starting the docker daemon"
command -v dockerd >/dev/null || die "no docker daemon answers and dockerd is not installed" \
  "install docker (cluster/tools.sh does it on Debian), or point DOCKER_HOST at a daemon"
[ "$(id -u)" = 0 ] || die "no docker daemon answers, and only root can start one" \
  "start docker, and make sure that 'docker info' works for $(id -un)"

if lacks_sys_resource; then
  # runc refuses a privileged container where the host cannot give every capability.
  note "This host lacks CAP_SYS_RESOURCE: containers run without it (runc-bounded)"
  install -m 755 "$CLUSTER_DIR/runc-bounded" "$WORK/bin/runc-bounded"
  options=(--add-runtime "bounded=$WORK/bin/runc-bounded" --default-runtime bounded)
else
  if [ -d /run/systemd/system ] && systemctl start docker && docker info >/dev/null 2>&1; then exit 0; fi
  options=()
fi
# The daemon must outlive this shell and its terminal (setsid), and must not keep open what our caller
# has open: a lock file, say, would stay locked for as long as docker runs.
(
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || eval "exec $fd>&-"
  done
  exec setsid nohup dockerd ${options[@]+"${options[@]}"} >"$WORK/log/dockerd.log" 2>&1 </dev/null
) &
STEP_LOG=$WORK/log/dockerd.log
for _ in $(seq 60); do
  if docker info >/dev/null 2>&1; then note "docker answers"; exit 0; fi
  sleep 0.5
done
tail -n 5 "$STEP_LOG" >&2
die "dockerd does not answer after 30 seconds" "read $STEP_LOG"
