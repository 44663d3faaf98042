"""Events that a consumer could not deal with."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create table dead_letters (
            consumer text not null, xid xid8 not null, event_id bigint not null, topic text not null,
            event jsonb not null, error text not null, tries integer not null,
            failed_at timestamptz not null default now(),
            constraint pk_dead_letters primary key (consumer, xid, event_id))"""
    )
    op.execute("comment on column dead_letters.event is 'the whole row: its partition may be dropped'")


def downgrade() -> None:
    op.execute("drop table dead_letters")
