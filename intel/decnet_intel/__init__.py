"""The intel plane: what takes events in, keeps them, and shows them."""
