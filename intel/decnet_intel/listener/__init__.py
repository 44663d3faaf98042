"""Takes lines from the nodes over mutual TLS and acknowledges them once they are stored."""
