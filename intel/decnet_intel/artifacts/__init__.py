"""The content of artifacts: where it is kept, and where it waits until it is whole."""
