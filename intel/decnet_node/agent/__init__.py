"""The node agent: what a node must be told, hold and guard to carry deckies."""
