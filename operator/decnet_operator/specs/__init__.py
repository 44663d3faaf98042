"""Kubernetes objects as plain data: one pure builder a kind."""
