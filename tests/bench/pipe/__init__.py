"""How fast lines get from the disk to their store, ours beside rsyslog and a bare COPY: `python -m bench.pipe`."""
