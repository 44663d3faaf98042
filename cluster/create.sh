#!/usr/bin/env bash
# Makes sure that the cluster is there and healthy: kind nodes, pod network, Multus, all nodes Ready.
# Settings from the environment: CLUSTER_NAME, DASHBOARD_PORT, DOCKER_NETWORK (see lib.sh).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kubeconfig_of_user=${KUBECONFIG:-}
export KUBECONFIG=$WORK/kubeconfig-$CLUSTER_NAME
multus_module=gopkg.in/k8snetworkplumbingwg/multus-cni.v4
stopped=()
rebuild="'make down' (cluster/delete.sh), then 'make up'"

api_answers() { kubectl get --raw /readyz --request-timeout=3s >/dev/null 2>&1; }

wait_for_api() {
  local _
  for _ in $(seq 90); do
    if api_answers; then return; fi
    sleep 1
  done
  die "the cluster's API does not answer" "$rebuild"
}

healthy() {
  local unready multus
  unready=$(kubectl get nodes --no-headers --request-timeout=3s 2>/dev/null | awk '$2 != "Ready"' | wc -l) || return 1
  multus=$(kubectl -n kube-system get ds kube-multus-ds --request-timeout=3s \
    -o jsonpath='{.status.numberReady}/{.status.desiredNumberScheduled}' 2>/dev/null) || return 1
  [ "$unready" = 0 ] && [ "$multus" = "${#nodes[@]}/${#nodes[@]}" ]
}

write_kubeconfig() {
  kind get kubeconfig --name "$CLUSTER_NAME" >"$KUBECONFIG" 2>/dev/null
  chmod 600 "$KUBECONFIG"
  if [ "$CLUSTER_NAME" = decnet ]; then
    KUBECONFIG=$kubeconfig_of_user logged kubeconfig kind export kubeconfig --name decnet
  fi
}

# Every node runs its own systemd, kubelet and containerd; Debian's 128 instances are spent by the second cluster.
INOTIFY_INSTANCES=1024

enough_inotify() {
  local now
  now=$(cat /proc/sys/fs/inotify/max_user_instances)
  if [ "$now" -ge $INOTIFY_INSTANCES ]; then return; fi
  sysctl -qw fs.inotify.max_user_instances=$INOTIFY_INSTANCES 2>/dev/null ||
    note "fs.inotify.max_user_instances is $now: if nodes do not become Ready, run 'sysctl -w fs.inotify.max_user_instances=$INOTIFY_INSTANCES' as root"
}

create_cluster() {
  step "Creating kind cluster $CLUSTER_NAME, about a minute (log: $WORK/log/create-$CLUSTER_NAME.log)"
  STEP_HELP="if port $DASHBOARD_PORT is taken, choose another with DASHBOARD_PORT; otherwise $rebuild"
  sed "s/hostPort: .*/hostPort: $DASHBOARD_PORT/" "$CLUSTER_DIR/../kind-config.yaml" >"$WORK/kind-config-$CLUSTER_NAME.yaml"
  logged "create-$CLUSTER_NAME" kind create cluster --name "$CLUSTER_NAME" --image "$(cat "$WORK/node-image")" \
    --config "$WORK/kind-config-$CLUSTER_NAME.yaml"
}

# On a busy machine a worker's kubelet may register only after kind is done with it.
wait_for_nodes() {
  local _ registered
  STEP_HELP="see 'docker exec ${nodes[0]} journalctl -u kubelet'; if that does not help: $rebuild"
  for _ in $(seq 180); do
    registered=$(kubectl get nodes -o jsonpath='{range .items[?(@.spec.podCIDR)]}{.metadata.name}{"\n"}{end}' 2>/dev/null | wc -l) || true
    [ "$registered" -lt ${#nodes[@]} ] || return 0
    sleep 1
  done
  die "only $registered of ${#nodes[@]} nodes of $CLUSTER_NAME registered within 3 minutes" "$STEP_HELP"
}

# Each node gives its pods addresses from its own range (ptp); a route a peer leads to the peer's range.
# Docker may give nodes other addresses after a restart, so a unit on the node looks the peers up by name.
pod_network() {
  local ranges node range peer peer_range
  ranges=$(kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}')
  while read -r node range; do
    {
      echo '#!/bin/sh -e'
      while read -r peer peer_range; do
        [ "$peer" = "$node" ] || echo "ip route replace $peer_range via \$(getent ahostsv4 $peer | awk '{print \$1; exit}')"
      done <<<"$ranges"
    } | docker exec -i "$node" sh -c 'cat > /usr/local/bin/pod-routes && chmod 755 /usr/local/bin/pod-routes'
    docker exec -i "$node" sh -c 'cat > /etc/systemd/system/pod-routes.service' <"$CLUSTER_DIR/node/pod-routes.service"
    docker exec "$node" systemctl daemon-reload </dev/null
    docker exec "$node" systemctl enable pod-routes </dev/null
    docker exec "$node" systemctl restart pod-routes </dev/null
    sed "s#POD_RANGE#$range#" "$CLUSTER_DIR/node/10-ptp.conflist" |
      docker exec -i "$node" sh -c 'mkdir -p /etc/cni/net.d && cat > /etc/cni/net.d/10-ptp.conflist'
  done <<<"$ranges"
}

multus() {
  local manifest image
  manifest=$(module_dir multus "$multus_module")/deployments/multus-daemonset.yml
  image=$(awk '$1 == "image:" { print $2; exit }' "$manifest")
  image=${image%:*}:$(module_version multus "$multus_module")
  if ! registry_answers; then
    multus_image "$image"
    "$CLUSTER_DIR/load.sh" "$image"
  fi
  # The manifest names a moving tag; the image must be the version that the manifest came with.
  step "Installing Multus ${image##*:}"
  logged multus kubectl apply --server-side --force-conflicts -f <(sed "s#image: .*multus-cni:.*#image: $image#" "$manifest")
}

multus_image() {  # IMAGE: builds it when docker does not have it
  if has_image "$1"; then return; fi
  go_build multus multus
  step "Building the image $1"
  local context=$WORK/multus-image
  rm -rf "$context" && mkdir -p "$context/bin"
  cp "$WORK"/go/multus/* "$context/bin/"
  mv "$context/bin/passthru-cni" "$context/bin/passthru"
  cp "$CLUSTER_DIR/node/multus.Dockerfile" "$context/Dockerfile"
  logged multus-image build_image "$1" "$context"
  rm -rf "$context"
}

for tool in kind kubectl; do
  command -v "$tool" >/dev/null || die "$tool is not installed" "run cluster/tools.sh"
done
"$CLUSTER_DIR/docker.sh"

mapfile -t nodes < <(kind get nodes --name "$CLUSTER_NAME" 2>/dev/null)
if [ ${#nodes[@]} = 0 ]; then
  "$CLUSTER_DIR/node-image.sh"
  enough_inotify
  create_cluster
  mapfile -t nodes < <(kind get nodes --name "$CLUSTER_NAME" 2>/dev/null)
else
  mapfile -t stopped < <(docker ps -a --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" \
    --filter status=exited --filter status=created --format '{{.Names}}')
  if [ ${#stopped[@]} -gt 0 ]; then
    step "Starting the stopped nodes of $CLUSTER_NAME: ${stopped[*]}"
    STEP_HELP=$rebuild
    logged "start-$CLUSTER_NAME" docker start "${stopped[@]}"
  fi
  port=$(docker port "$CLUSTER_NAME-control-plane" 30080/tcp 2>/dev/null | head -n 1) || true
  [ "${port##*:}" = "$DASHBOARD_PORT" ] ||
    note "the cluster's dashboard port is ${port##*:} and stays so: a port can only be chosen when a cluster is made"
fi
write_kubeconfig
if [ ${#stopped[@]} = 0 ] && healthy; then exit 0; fi

wait_for_api
wait_for_nodes
step "Setting up the pod network"
logged pod-network pod_network
multus
step "Waiting for all nodes of $CLUSTER_NAME to be Ready"
STEP_HELP="see 'kubectl -n kube-system get pods'; if that does not help: $rebuild"
logged ready kubectl -n kube-system rollout status ds/kube-multus-ds --timeout=180s
logged ready kubectl wait --for=condition=Ready nodes --all --timeout=180s
logged ready kubectl -n kube-system rollout status deployment/coredns --timeout=180s
note "Cluster $CLUSTER_NAME is ready: KUBECONFIG=$KUBECONFIG"
