"""What must hold for any bytes on the wire, and a fuzzer that looks for bytes for which it does not."""
