#!/usr/bin/env bash
# Usage: load.sh IMAGE...   Loads docker's images into every node of the cluster, skipping what is there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || die "no image was named" "cluster/load.sh IMAGE..."
mapfile -t nodes < <(kind get nodes --name "$CLUSTER_NAME" 2>/dev/null)
[ ${#nodes[@]} -gt 0 ] || die "there is no cluster named $CLUSTER_NAME" "cluster/create.sh makes it"

# A node gives an imported image a digest of its own, so we write docker's image ID on it as a label.
label=decnet-image-id
declare -A id
for image in "$@"; do
  case $image in *:*) ;; *) die "$image has no tag" "name the image with its tag: nothing here is called latest" ;; esac
  id[$image]=$(docker image inspect -f '{{.Id}}' "$image" 2>/dev/null) ||
    die "docker has no image $image" "build it first (make images)"
done

wanted=()
lacking=()
for node in "${nodes[@]}"; do
  held=$(docker exec "$node" ctr -n k8s.io images ls)
  complete=yes
  for image in "$@"; do
    # The node's name for it may have a registry and a folder in front.
    if ! grep -qE "(^|/)$image .*$label=${id[$image]}" <<<"$held"; then
      complete=no
      case " ${wanted[*]-} " in *" $image "*) ;; *) wanted+=("$image") ;; esac
    fi
  done
  [ $complete = yes ] || lacking+=("$node")
done
[ ${#wanted[@]} -gt 0 ] || exit 0

step "Loading ${#wanted[@]} of $# images into ${#lacking[@]} nodes of $CLUSTER_NAME"
import() {  # NODE, with the archive on stdin
  trap - ERR  # what goes wrong here is in a log file, and reported below
  docker exec -i "$1" ctr -n k8s.io images import --all-platforms --snapshotter overlayfs -
  local image held
  held=$(docker exec "$1" ctr -n k8s.io images ls -q)
  for image in "${wanted[@]}"; do
    docker exec "$1" ctr -n k8s.io images label "$(grep -m 1 -E "(^|/)$image\$" <<<"$held")" "$label=${id[$image]}"
  done
}
# One archive, read by all nodes at once. Each node has a pipe of its own, so that a failure has a name.
pipes=$(mktemp -d)
readers=()
# A reader whose archive never comes would wait for ever, so none may outlive this script.
trap 'kill "${readers[@]%%:*}" 2>/dev/null || true; rm -rf "$pipes"' EXIT
for node in "${lacking[@]}"; do
  mkfifo "$pipes/$node"
  import "$node" <"$pipes/$node" >"$WORK/log/load-$node.log" 2>&1 &
  readers+=("$!:$node")
done
docker save "${wanted[@]}" | tee "${lacking[@]/#/$pipes/}" >/dev/null
for reader in "${readers[@]}"; do
  STEP_LOG=$WORK/log/load-${reader#*:}.log
  wait "${reader%%:*}"
done
