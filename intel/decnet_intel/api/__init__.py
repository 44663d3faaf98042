"""The HTTP API and the built dashboard."""
