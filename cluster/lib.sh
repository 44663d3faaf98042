# shellcheck shell=bash
# What every script in this folder shares: settings, progress output, Go builds. Sourced, not run.

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=versions.env
. "$CLUSTER_DIR/versions.env"

WORK=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/decnet}
CLUSTER_NAME=${CLUSTER_NAME:-decnet}
DASHBOARD_PORT=${DASHBOARD_PORT:-8080}
DOCKER_NETWORK=${DOCKER_NETWORK:-kind}

# kind has no other way to choose the docker network, and so the LAN, that a cluster's nodes are on.
export KIND_EXPERIMENTAL_DOCKER_NETWORK=$DOCKER_NETWORK
# The host's own Go settings must not change what is built: no cgo (a dynamically linked etcd or
# multus dies in its empty image), no edits to go.mod, no toolchain fetched behind our back.
export CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false -trimpath" GOTOOLCHAIN=local GOWORK=off
# Tools of our versions come before the host's; Go's usual place may not be in a root shell's PATH.
export PATH=$WORK/bin:$PATH:/usr/local/go/bin
mkdir -p "$WORK/bin" "$WORK/log" "$WORK/stamp"

STEP='' STEP_LOG='' STEP_HELP=''
REPORTED=97  # the exit status of what has already said why it failed: its caller adds nothing

step() {  # TEXT: says what begins now; a later failure names it
  STEP=$1 STEP_LOG='' STEP_HELP=''
  printf '==> [%3ds] %s\n' "$SECONDS" "$STEP"
}

note() { printf '    [%3ds] %s\n' "$SECONDS" "$*"; }

die() {  # WHAT-IS-WRONG WHAT-TO-DO
  printf 'ERROR: %s\n  what to do: %s\n' "$1" "$2" >&2
  exit $REPORTED
}

on_error() {
  local status=$? line=$1
  [ "$status" != $REPORTED ] || exit $REPORTED
  printf 'ERROR: failed while: %s (%s line %s, exit status %s)\n' "${STEP:-starting}" "${0##*/}" "$line" "$status" >&2
  if [ -n "$STEP_LOG" ]; then
    printf '  last lines of %s:\n' "$STEP_LOG" >&2
    tail -n 15 "$STEP_LOG" | sed 's/^/    /' >&2
  fi
  printf '  what to do: %s\n' "${STEP_HELP:-read the message above; running the same command again continues where it stopped}" >&2
  exit $REPORTED
}
set -E
trap 'on_error $LINENO' ERR

logged() {  # NAME COMMAND...: runs it with its output in a log file, which a failure shows the end of
  STEP_LOG=$WORK/log/$1.log
  shift
  "$@" >"$STEP_LOG" 2>&1
  STEP_LOG=''
}

key_of() {  # FILE-OR-TEXT...: a short hash of these files' contents and these words
  local item
  for item in "$@"; do
    if [ -f "$item" ]; then cat "$item"; else printf '%s\n' "$item"; fi
  done | sha256sum | cut -c1-12
}

module_version() {  # NAME MODULE: the version pinned in go/NAME/go.mod, with its v
  awk -v module="$2" '$1 == "require" { $1 = $2; $2 = $3 } $1 == module && $2 ~ /^v/ { print $2; exit }' "$CLUSTER_DIR/go/$1/go.mod"
}

module_dir() {  # NAME MODULE: where the module's source is; downloads it when it must
  (cd "$CLUSTER_DIR/go/$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2")
}

go_build() {  # NAME OUTPUT [PACKAGE]: builds go/NAME's tools, or one of its packages, into $WORK/go/OUTPUT
  local name=$1 output=$2 package=${3:-tool} flags='-s -w' key version='' path
  if [ "$name" = helm ]; then
    # Its own Makefile does the same: an unstamped helm renders charts as for Kubernetes 1.20.
    version=$(awk '$1 == "k8s.io/client-go" { print $2 }' "$CLUSTER_DIR/go/helm/go.mod")
    for path in helm.sh/helm/v3/pkg/chartutil helm.sh/helm/v3/pkg/lint/rules; do
      flags+=" -X $path.k8sVersionMajor=1 -X $path.k8sVersionMinor=$(cut -d. -f2 <<<"$version")"
    done
    flags+=" -X helm.sh/helm/v3/internal/version.version=$(module_version helm helm.sh/helm/v3)"
  fi
  key=$(key_of "$CLUSTER_DIR/go/$name/go.mod" "$CLUSTER_DIR/go/$name/go.sum" "$package" "$(uname -m)" ${version:+"$flags"})
  if [ -d "$WORK/go/$output" ] && [ "$(cat "$WORK/stamp/$output" 2>/dev/null)" = "$key" ]; then return; fi
  step "Building $output from Go source (log: $WORK/log/build-$output.log)"
  if [ "$name" = kubernetes ]; then
    # kubeadm refuses to mix versions, and an unstamped binary calls itself v0.0.0.
    version=$(module_version kubernetes k8s.io/kubernetes)
    for path in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
      flags+=" -X $path.gitVersion=$version -X $path.gitMajor=1 -X $path.gitTreeState=clean"
      flags+=" -X $path.gitMinor=$(cut -d. -f2 <<<"$version")"
    done
  fi
  rm -rf "$WORK/go/$output" && mkdir -p "$WORK/go/$output"
  STEP_HELP='if modules could not be downloaded, check GOPROXY; if memory ran out, set GOMAXPROCS=1'
  logged "build-$output" go build -C "$CLUSTER_DIR/go/$name" -v -ldflags "$flags" -o "$WORK/go/$output/" "$package"
  printf '%s\n' "$key" >"$WORK/stamp/$output"
}

registry_answers() {  # whether images can be pulled; asked once a day (REGISTRY=yes or no decides it)
  local answer=$WORK/registry
  if [ -n "${REGISTRY:-}" ]; then [ "$REGISTRY" = yes ]; return; fi
  if [ -z "$(find "$answer" -mmin -1440 2>/dev/null)" ]; then
    if timeout 10 docker manifest inspect "$BASE_IMAGE" >/dev/null 2>&1; then echo yes; else echo no; fi >"$answer"
    note "An image registry answers: $(cat "$answer")"
  fi
  [ "$(cat "$answer")" = yes ]
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

build_image() {  # TAG DIRECTORY [OPTION...]: docker build without progress noise, with buildx or without
  local tag=$1 dir=$2
  shift 2
  if docker buildx version >/dev/null 2>&1; then
    docker build -q -t "$tag" "$@" "$dir"
  else
    DOCKER_BUILDKIT=0 docker build -q -t "$tag" "$@" "$dir"
  fi
}
