"""The forwarder: every line of every decky on this node, to the listener, once."""
