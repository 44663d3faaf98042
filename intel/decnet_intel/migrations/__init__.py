"""Alembic environment, shipped in the wheel so that `decnet-intel migrate` needs no checkout."""
