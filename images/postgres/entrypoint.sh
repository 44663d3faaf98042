#!/bin/sh
# Makes the database on the first start, then becomes the server.
# Settings: PGDATA, POSTGRES_USER (decnet), POSTGRES_DB (decnet), POSTGRES_PASSWORD (needed),
# POSTGRES_OPTIONS (more server options, such as "-c work_mem=16MB").
set -eu

: "${POSTGRES_PASSWORD:?set it to the password of the role that the application uses}"
export POSTGRES_USER="${POSTGRES_USER:-decnet}" POSTGRES_DB="${POSTGRES_DB:-decnet}"

if [ -s "$PGDATA/PG_VERSION" ] && [ "$(cat "$PGDATA/PG_VERSION")" != 15 ]; then
  echo "$PGDATA was made by PostgreSQL $(cat "$PGDATA/PG_VERSION"), this is 15: dump there, restore here" >&2
  exit 1
fi

quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }
name() { printf '"%s"' "$(printf %s "$1" | sed 's/"/""/g')"; }

# After SIGKILL the server's lock file names process 1, which now is this shell: it is no other server.
export PG_GRANDPARENT_PID=$$

single() {  # SQL, one statement a line, with no server running
  postgres --single -j -D "$1" "$2" >/dev/null
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Made beside its place and moved there when whole: a first start that is killed leaves no half database.
  new="$PGDATA.new"
  rm -rf "$new"
  initdb -D "$new" -U postgres --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
    --data-checksums >/dev/null
  echo "host $(name "$POSTGRES_DB") $(name "$POSTGRES_USER") all scram-sha-256" >>"$new/pg_hba.conf"
  printf 'CREATE ROLE %s LOGIN;\n\n' "$(name "$POSTGRES_USER")" | single "$new" postgres
  printf 'CREATE DATABASE %s OWNER %s;\n\n' "$(name "$POSTGRES_DB")" "$(name "$POSTGRES_USER")" | single "$new" postgres
  mv "$new" "$PGDATA"
fi

# Every time, because the Secret may be newer than the volume.
printf 'ALTER ROLE %s PASSWORD %s;\n\n' "$(name "$POSTGRES_USER")" "$(quoted "$POSTGRES_PASSWORD")" | single "$PGDATA" postgres

unset PG_GRANDPARENT_PID
# shellcheck disable=SC2086  # one word an option
exec postgres -D "$PGDATA" -c listen_addresses='*' ${POSTGRES_OPTIONS:-}
