#!/usr/bin/env bash
# Usage: install.sh up|down|venv      What `make up` and `make down` do; venv makes only .venv.
# Settings from the environment:
#   CLUSTER=kind|current   a kind cluster of our own, or the one that kubectl points at
#   CLUSTER_NAME, DASHBOARD_PORT, DOCKER_NETWORK   of the kind cluster (see cluster/lib.sh)
#   NAMESPACE              where DECNET goes (decnet)
#   IMAGE_REGISTRY         push the images there and use them from there (CLUSTER=current)
#   HELM_ARGS              more arguments for helm, such as "-f my-values.yaml"
#   EXAMPLES=no            do not apply examples/
set -euo pipefail
. "$(dirname "$0")/../cluster/lib.sh"

ROOT=$(cd "$(dirname "$0")/.." && pwd)
CLUSTER=${CLUSTER:-kind}
NAMESPACE=${NAMESPACE:-decnet}
IMAGES=$ROOT/build/images.yaml
cd "$ROOT"

timed() {  # TEXT COMMAND...: one line with the seconds it took
  local text=$1 started=$SECONDS
  shift
  "$@"
  printf '    [%3ds] %s: %ds\n' "$SECONDS" "$text" $((SECONDS - started))
}

venv() {
  local key
  key=$(key_of requirements-dev.lock pyproject.toml)
  if [ -x .venv/bin/python ] && [ "$(cat .venv/.key 2>/dev/null)" = "$key" ]; then return; fi
  step "Making .venv from requirements-dev.lock"
  STEP_HELP="check that pip reaches a package index, then run the same command again"
  [ -x .venv/bin/python ] || logged venv python3 -m venv .venv
  logged venv .venv/bin/pip install --disable-pip-version-check -q --require-hashes -r requirements-dev.lock
  logged venv .venv/bin/pip install --disable-pip-version-check -q --no-deps -e .
  printf '%s\n' "$key" >.venv/.key
}

images_by_ref() { sed -n 's/^ *[a-z_]*: "\(.*\)"$/\1/p' "$IMAGES"; }

# What is already so is not done again: a release with these values, this chart and all pods ready.
release_key() {
  local file
  find charts/decnet -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  for file in "${values[@]}"; do sha256sum "$file"; done
  printf '%s\n' "${HELM_ARGS:-}"
}

deploy() {
  local key
  key=$(release_key | sha256sum | cut -c1-32)
  if [ "$(kubectl -n "$NAMESPACE" get configmap decnet-images -o jsonpath='{.metadata.annotations.decnet\.io/installed}' \
    2>/dev/null)" = "$key" ] && [ "$(helm -n "$NAMESPACE" list --deployed -q -f '^decnet$')" = decnet ] &&
    kubectl -n "$NAMESPACE" wait --for=condition=Available deployment -l app.kubernetes.io/part-of=decnet \
      --timeout=2s >/dev/null 2>&1; then
    note "The release decnet is as it should be"
    return
  fi
  step "Installing the chart into namespace $NAMESPACE"
  STEP_HELP="see what is not ready: kubectl -n $NAMESPACE get pods; kubectl -n $NAMESPACE get events --sort-by=.lastTimestamp"
  [ "$CLUSTER" = kind ] || [ -n "${IMAGE_REGISTRY:-}" ] ||
    STEP_HELP+=". ErrImagePull there means that the nodes lack our images: set IMAGE_REGISTRY to a registry that they can pull from"
  local arguments=() file
  for file in "${values[@]}"; do arguments+=(-f "$file"); done
  # shellcheck disable=SC2086  # HELM_ARGS is a list of words
  logged "helm-$CLUSTER_NAME" helm upgrade --install decnet charts/decnet -n "$NAMESPACE" --create-namespace "${arguments[@]}" \
    --wait --timeout 6m ${HELM_ARGS:-}
  kubectl -n "$NAMESPACE" annotate --overwrite configmap decnet-images "decnet.io/installed=$key" >/dev/null
}

examples() {
  step "Applying examples/decky.yaml"
  STEP_HELP="kubectl describe -f examples/decky.yaml says why it is not Ready"
  logged "swarmhosts-$CLUSTER_NAME" wait_for_swarmhost
  kubectl apply -f examples/decky.yaml >/dev/null
  logged "examples-$CLUSTER_NAME" kubectl wait --for=condition=Ready -f examples/decky.yaml --timeout=180s
}

wait_for_swarmhost() {
  local _
  for _ in $(seq 90); do
    if kubectl get swarmhosts -o jsonpath='{.items[*].status.conditions[?(@.type=="Ready")].status}' | grep -q True; then
      return
    fi
    sleep 1
  done
  echo "no SwarmHost became Ready: kubectl get swarmhosts; kubectl -n $NAMESPACE logs daemonset/decnet-node-agent -c agent"
  return 1
}

summary() {
  local url login address
  login="kubectl -n $NAMESPACE get secret decnet-admin -o jsonpath='{.data.password}' | base64 -d; echo"
  url="kubectl -n $NAMESPACE port-forward service/decnet-dashboard $DASHBOARD_PORT:80, then http://127.0.0.1:$DASHBOARD_PORT"
  [ "$CLUSTER" = current ] || url=http://127.0.0.1:$DASHBOARD_PORT
  address=$(kubectl get -f examples/decky.yaml -o jsonpath='{.status.ip}' 2>/dev/null) || address="its address"
  printf '\nDECNET is up after %d s.\n\n' "$SECONDS"
  printf '  dashboard   %s\n' "$url"
  printf '  log in as   admin, with the password from\n              %s\n' "$login"
  [ "$CLUSTER" = current ] || [ "$CLUSTER_NAME" = decnet ] || printf '  kubectl     export KUBECONFIG=%s\n' "$KUBECONFIG"
  printf '  look        kubectl get deckies; kubectl get swarmhosts; kubectl explain decky.spec\n'
  if [ "$CLUSTER" = kind ]; then
    printf '  attack      make demo\n'
    printf '              docker run -it --rm --network %s --cap-add NET_RAW %s\n' "$DOCKER_NETWORK" "$(sed -n 's/^  attacker: "\(.*\)"$/\1/p' "$IMAGES")"
    printf '              then: nmap -sV %s; ssh root@%s (toor); curl http://%s/\n' "$address" "$address" "$address"
  else
    printf '  attack      from any machine on the LAN: nmap -sV %s; ssh root@%s; curl http://%s/\n' "$address" "$address" "$address"
  fi
  printf '  next        kubectl apply -f your-decky.yaml     (docs/deckies.md)\n'
}

up() {
  timed "host tools" cluster/tools.sh
  timed "Python environment" venv &
  local venv_job=$!
  timed "docker" cluster/docker.sh
  timed "base image" cluster/base-images.sh
  values=("$IMAGES")
  if [ "$CLUSTER" = kind ]; then
    values=(charts/decnet/values-kind.yaml "$IMAGES")
    export KUBECONFIG=$WORK/kubeconfig-$CLUSTER_NAME
    timed "node image" cluster/node-image.sh
    step "Building images; creating the cluster"
    STEP_HELP="the lines above say which of the two failed and why"
    timed "images" images/build.py &
    local images_job=$!
    timed "cluster" cluster/create.sh
    wait $images_job
    mapfile -t refs < <(images_by_ref)
    timed "images on the nodes" cluster/load.sh "${refs[@]}"
  else
    step "Building images"
    timed "images" images/build.py ${IMAGE_REGISTRY:+--push "$IMAGE_REGISTRY"}
    [ -n "${IMAGE_REGISTRY:-}" ] || note "IMAGE_REGISTRY is not set: the nodes must have the images of $IMAGES already"
  fi
  STEP_HELP='the lines above say why'
  wait $venv_job
  timed "chart" deploy
  [ "${EXAMPLES:-yes}" = no ] || timed "examples" examples
  summary
}

down() {
  if [ "$CLUSTER" = kind ]; then
    exec cluster/delete.sh
  fi
  step "Removing DECNET from the current cluster"
  logged "helm-uninstall-$CLUSTER_NAME" helm uninstall decnet -n "$NAMESPACE" --wait --timeout 5m --ignore-not-found
  note "Left alone: the definitions (kubectl get crd | grep decnet.io), the database's volume, the namespace $NAMESPACE"
}

case ${1:-} in
  up | down | venv) "$1" ;;
  *) die "unknown command: ${1:-none}" "charts/install.sh up|down|venv" ;;
esac
