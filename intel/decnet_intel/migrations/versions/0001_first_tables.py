"""First tables.

`events` has no default partition on purpose: attaching a day beside a default partition scans it.
The listener makes the partition that a line needs, the worker makes those of the days ahead.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_EVENTS = """
create table events (
    day date not null,
    id bigint generated always as identity,
    file_id bigint not null,
    node text not null,
    namespace text not null,
    decky text not null,
    pod_uid text not null,
    service text not null,
    generation text not null,
    byte_offset bigint not null,
    event_id text not null,
    severity smallint not null,
    hostname text not null,
    src_ip inet,
    src_port integer,
    fields jsonb not null,
    message text not null,
    raw text,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now(),
    acknowledged boolean not null,
    cut boolean not null,
    xid xid8 not null default pg_current_xact_id(),
    constraint pk_events primary key (day, id),
    constraint uq_events_line unique (file_id, byte_offset, day)
) partition by range (day)
"""

_STATEMENTS = (
    _EVENTS,
    "comment on column events.day is 'UTC date at which the container runtime wrote the line'",
    "comment on column events.xid is 'readers take rows in the order (xid, id) and only those older"
    " than every running transaction'",
    "create index ix_events_xid_id on events (xid, id)",
    """create table files (
        id bigint generated always as identity constraint pk_files primary key,
        node text collate "C" not null, pod_uid text collate "C" not null,
        container text collate "C" not null, generation text collate "C" not null,
        byte_offset bigint not null, previous_offset bigint not null default -1,
        updated_at timestamptz not null default now(),
        constraint uq_files_node unique (node, pod_uid, container, generation)
    ) with (fillfactor = 70)""",
    "comment on column files.previous_offset is 'byte_offset before the last transaction, so that the"
    " statement that moves it can tell where it was'",
    """create table event_counts (
        hour timestamptz not null, node text collate "C" not null, namespace text collate "C" not null,
        decky text collate "C" not null, service text collate "C" not null,
        event_id text collate "C" not null, events bigint not null, credentials bigint not null,
        last_at timestamptz not null,
        constraint pk_event_counts primary key (hour, node, namespace, decky, service, event_id)
    ) with (fillfactor = 70)""",
    """create table source_counts (
        day date not null, src_ip inet not null, events bigint not null, last_at timestamptz not null,
        constraint pk_source_counts primary key (day, src_ip)
    ) with (fillfactor = 70)""",
    """create table users (
        id bigint generated always as identity constraint pk_users primary key,
        username text not null constraint uq_users_username unique,
        password_hash text not null,
        role text not null constraint ck_users_role check (role in ('admin', 'viewer')),
        must_change_password boolean not null default true,
        token_version integer not null default 0,
        created_at timestamptz not null default now())""",
    """create table login_tries (
        id bigint generated always as identity constraint pk_login_tries primary key,
        client text not null, tried_at timestamptz not null default now())""",
    "create index ix_login_tries_client_tried_at on login_tries (client, tried_at)",
    """create table swarm_hosts (
        name text constraint pk_swarm_hosts primary key,
        sha256 text constraint ck_swarm_hosts_sha256 check (sha256 ~ '^[0-9a-f]{64}$'),
        not_after timestamptz, ready boolean not null default false, reason text, message text,
        lan jsonb not null default '{}', updated_at timestamptz not null default now())""",
    """create table deckies (
        namespace text not null, name text not null, uid text not null, node text, ip text, mac text,
        hostname text, archetype text, os text, distro text,
        ready boolean not null default false, reason text, message text,
        services jsonb not null default '[]', created_at timestamptz,
        updated_at timestamptz not null default now(),
        constraint pk_deckies primary key (namespace, name))""",
    """create table cursors (
        consumer text constraint pk_cursors primary key, xid xid8 not null, event_id bigint not null,
        updated_at timestamptz not null default now())""",
    """create table heartbeats (
        component text not null, instance text not null, seen_at timestamptz not null default now(),
        detail jsonb not null default '{}', constraint pk_heartbeats primary key (component, instance))""",
    """create view credentials as
        select id, day, occurred_at, node, namespace, decky, service, event_id, src_ip, src_port,
               fields->>'principal' as principal, fields->>'secret_printable' as secret_printable,
               fields->>'secret_b64' as secret_b64, fields->>'secret_kind' as secret_kind,
               fields->>'outcome' as outcome
        from events where fields ? 'secret_b64'""",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop view credentials")
    for table in (
        "heartbeats", "cursors", "deckies", "swarm_hosts", "login_tries", "users",
        "source_counts", "event_counts", "files", "events",
    ):  # fmt: skip
        op.execute(f"drop table {table}")
