#!/usr/bin/env bash
# `make test`: all checks, the integration tests, and the end-to-end tests in a cluster of its own that is
# removed at the end, whatever happens. Runs beside a `make up` on the same machine.
#   KEEP=yes            leaves the cluster for a look (CLUSTER_NAME=decnet-test make down removes it)
#   TESTS="-k attack"   more arguments for pytest's end-to-end run
set -euo pipefail
cd "$(dirname "$0")/.."
export CLUSTER=kind CLUSTER_NAME=${CLUSTER_NAME:-decnet-test}
export DASHBOARD_PORT=${DASHBOARD_PORT:-18080} DOCKER_NETWORK=${DOCKER_NETWORK:-decnet-test}
. cluster/lib.sh
export PATH=$PWD/.venv/bin:$PATH KUBECONFIG=$WORK/kubeconfig-$CLUSTER_NAME

remove() {
  local status=$?
  trap - EXIT INT TERM
  if [ "${KEEP:-no}" = yes ]; then
    echo "cluster $CLUSTER_NAME is kept: KUBECONFIG=$KUBECONFIG"
  else
    charts/install.sh down || true
  fi
  printf 'make test: %s after %d s\n' "$([ $status = 0 ] && echo passed || echo FAILED)" "$SECONDS"
  exit $status
}

needed=()
[ -x /usr/lib/postgresql/15/bin/initdb ] || needed+=(postgresql-15)
command -v shellcheck >/dev/null || needed+=(shellcheck)
[ -x /usr/bin/chromium ] || needed+=(chromium)
[ -x /usr/bin/faketime ] || needed+=(faketime)
for module in lmnsd_ossl lmnsd_gtls omrelp; do
  compgen -G "/usr/lib/*/rsyslog/$module.so" >/dev/null || needed+=(rsyslog rsyslog-openssl rsyslog-gnutls rsyslog-relp)
done
if [ ${#needed[@]} -gt 0 ]; then
  step "Installing Debian packages that only the tests need: ${needed[*]}"
  export DEBIAN_FRONTEND=noninteractive
  logged test-apt apt-get update -q
  logged test-apt apt-get install -qy --no-install-recommends "${needed[@]}"
fi
cluster/tools.sh
charts/install.sh venv

step "Checks and unit tests"
tests/check.sh
step "Building an S3 server for the tests of artifacts"
logged versitygw go build -C tests/tools/versitygw -o "$WORK/bin/versitygw" github.com/versity/versitygw/cmd/versitygw
trap remove EXIT
trap 'exit 130' INT TERM
charts/install.sh up
# One suite's failure must not hide what the others would have found.
failed=()
suite() {  # NAME COMMAND...
  local name=$1
  shift
  step "$name"
  "$@" || failed+=("$name")
}
suite "Integration tests" pytest -q tests/integration tests/fuzz
suite "The pipe under faults, beside rsyslog" pytest -q -s tests/torture
# shellcheck disable=SC2086  # TESTS is a list of words
suite "End-to-end tests in cluster $CLUSTER_NAME" pytest -q tests/e2e ${TESTS:-}
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}" "read what pytest says above"
