"""What the intel plane decides, between the wire and the tables. Nothing here builds SQL or commits."""
