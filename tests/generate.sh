#!/usr/bin/env bash
# Usage: generate.sh [--check]   Writes the files that are made from code; --check only says which have drifted.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
made=(crds charts/decnet/files/crds docs/events.md docs/services.md dashboard/openapi.json dashboard/src/api/schema.d.ts)

generate() {
  python -m decnet_operator.generate crds
  python -m decnet_operator.generate services >docs/services.md
  python -m decnet_events.docs >docs/events.md
  decnet-intel openapi >dashboard/openapi.json
  npm --prefix dashboard run --silent schema >/dev/null
  # Helm reads nothing outside the chart.
  rm -rf charts/decnet/files/crds
  mkdir -p charts/decnet/files
  cp -r crds charts/decnet/files/crds
}

if [ "${1:-}" != --check ]; then
  generate
  exit
fi

# Generated in a copy, so that a check never changes the tree it checks.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard -z | tar --ignore-failed-read --null -T - -cf - 2>/dev/null |
  tar -xf - -C "$copy"
ln -s "$PWD/.venv" "$copy/.venv"
[ ! -d dashboard/node_modules ] || ln -s "$PWD/dashboard/node_modules" "$copy/dashboard/node_modules"
PYTHONPATH=$copy/operator:$copy/intel "$copy/tests/generate.sh"
drifted=0
for path in "${made[@]}"; do
  if ! diff -r "$path" "$copy/$path" >/dev/null 2>&1; then
    echo "$path is not what the code makes of it: run make generate"
    diff -ru "$path" "$copy/$path" | head -n 30 || true
    drifted=1
  fi
done
exit $drifted
