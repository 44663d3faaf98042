#!/usr/bin/env bash
# Makes sure that the base of all our images is there: pulled, or made from Debian packages where no
# image registry answers.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if has_image "$BASE_IMAGE"; then exit 0; fi
if registry_answers; then
  step "Pulling $BASE_IMAGE"
  logged pull-base docker pull -q "$BASE_IMAGE"
  exit 0
fi

step "Making $BASE_IMAGE from Debian packages (about 20 s)"
command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed" "run cluster/tools.sh"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
# Image builds fetch packages through whatever the host trusts (a company proxy, for one), so they
# must know its certificates; the Python and TLS settings make pip and its like look there.
cp /etc/ssl/certs/ca-certificates.crt "$context/"
cat >"$context/Dockerfile" <<'D'
FROM decnet/debian-plain
COPY ca-certificates.crt /etc/ssl/certs/
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
CMD ["bash"]
D
make_base() {
  mmdebstrap --variant=minbase --include=ca-certificates "$DEBIAN_SUITE" "$context/root.tar"
  docker import "$context/root.tar" decnet/debian-plain
  rm "$context/root.tar"
  build_image "$BASE_IMAGE" "$context"
}
logged base-image make_base
