"""Artifacts: captured files and session recordings."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """create table artifacts (
        sha256 text collate "C" constraint pk_artifacts primary key
            constraint ck_artifacts_sha256 check (sha256 ~ '^[0-9a-f]{64}$'),
        size bigint not null constraint ck_artifacts_size check (size >= 0),
        stored_at timestamptz not null default now())""",
    """create table captures (
        id bigint generated always as identity constraint pk_captures primary key,
        sha256 text collate "C" not null
            constraint fk_captures_sha256 references artifacts (sha256),
        node text collate "C" not null, namespace text collate "C" not null,
        decky text collate "C" not null, pod_uid text collate "C" not null,
        service text collate "C" not null, name text collate "C" not null,
        kind text not null constraint ck_captures_kind check (kind in ('session', 'file')),
        captured_at timestamptz not null, stored_at timestamptz not null default now(),
        cut boolean not null,
        constraint uq_captures_file unique (node, pod_uid, service, name, sha256))""",
    "comment on column captures.captured_at is 'the file''s own time, which an intruder can choose'",
    "create index ix_captures_sha256_id on captures (sha256, id)",
    "create index ix_captures_node_namespace_decky_sha256 on captures (node, namespace, decky, sha256)",
    "create index ix_captures_decky_id on captures (decky, id)",
    "create index ix_captures_stored_at on captures (stored_at)",
    """create table artifact_usage (
        node text collate "C" not null, namespace text collate "C" not null, decky text collate "C" not null,
        bytes bigint not null,
        constraint pk_artifact_usage primary key (node, namespace, decky)) with (fillfactor = 70)""",
    """create table artifact_losses (
        node text collate "C" not null, id text collate "C" not null,
        noted_at timestamptz not null default now(),
        constraint pk_artifact_losses primary key (node, id))""",
    "create index ix_artifact_losses_noted_at on artifact_losses (noted_at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("artifact_losses", "artifact_usage", "captures", "artifacts"):
        op.execute(f"drop table {table}")
