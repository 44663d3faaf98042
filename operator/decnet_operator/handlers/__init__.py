"""What kopf calls: each handler hands one object to the engine."""
