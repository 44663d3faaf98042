#!/usr/bin/env bash
# Deletes the cluster, its kubeconfig, and its docker network unless that is kind's shared one.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

nodes=$(docker ps -aq --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" 2>/dev/null || true)
networks=$DOCKER_NETWORK
if [ -n "$nodes" ]; then
  step "Deleting cluster $CLUSTER_NAME"
  # The nodes know their network better than whoever calls this.
  # shellcheck disable=SC2086  # one word a node
  networks=$(docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' $nodes | tr ' ' '\n' | sort -u)
  logged "delete-$CLUSTER_NAME" kind delete cluster --name "$CLUSTER_NAME"
fi
rm -f "$WORK/kubeconfig-$CLUSTER_NAME"
for network in $networks; do
  case $network in kind | bridge | host | none) continue ;; esac
  if docker network inspect "$network" >/dev/null 2>&1; then
    docker network rm "$network" >/dev/null 2>&1 || note "docker network $network is still used by other containers: left alone"
  fi
done
