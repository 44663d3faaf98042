"""The event line: how everything that an intruder does is written down and read back."""
