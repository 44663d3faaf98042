"""SQL lives here and nowhere else. Nothing here commits: the caller owns the transaction."""
