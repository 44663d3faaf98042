#!/usr/bin/env bash
# Usage: check.sh [fast]   Every check that needs neither cluster nor docker; `fast` is what a commit waits for.
# All checks run, several at once; the output of those that fail is shown at the end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
PATH=$PWD/.venv/bin:${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/decnet}/bin:$PATH
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

[ -x .venv/bin/ruff ] || { echo "there is no .venv: run 'make up' once, or 'charts/install.sh venv'" >&2; exit 1; }

scripts() { git ls-files --cached --others --exclude-standard '*.sh' | while read -r file; do [ -f "$file" ] && echo "$file"; done; }
shell_scripts() { scripts | xargs shellcheck -x -P SCRIPTDIR; }
types() { mypy && mypy --strict images/build.py; }
dashboard() { npm --prefix dashboard run check; }
chart() {
  local values
  for values in charts/decnet/ci/*-values.yaml charts/decnet/values-kind.yaml; do
    helm lint --strict charts/decnet -f "$values" || return
    helm template decnet charts/decnet -n decnet -f "$values" >/dev/null || return
  done
}

check() {  # NAME COMMAND...
  local name=$1 started=$SECONDS
  shift
  if "$@" >"$logs/$name" 2>&1; then
    echo "    ok     $name ($((SECONDS - started)) s)"
  else
    echo "    FAILED $name ($((SECONDS - started)) s)"
    touch "$logs/$name.failed"
  fi
}

first() {
  check format ruff format --check
  check lint ruff check
  check imports lint-imports
  check shell shell_scripts
  [ "${1:-}" = fast ] || check generated tests/generate.sh --check
  [ "${1:-}" = fast ] || check chart chart
}
second() {
  check types types
  [ "${1:-}" = fast ] || check dashboard dashboard
}
[ "${1:-}" = fast ] || [ -d dashboard/node_modules ] || check modules npm --prefix dashboard ci
first "$@" &
second "$@" &
wait
[ "${1:-}" = fast ] || check unit pytest -q tests/unit

shopt -s nullglob
failed=("$logs"/*.failed)
for mark in "${failed[@]}"; do
  name=$(basename "$mark" .failed)
  printf '\n== %s\n' "$name"
  cat "$logs/$name"
done
[ ${#failed[@]} = 0 ]
