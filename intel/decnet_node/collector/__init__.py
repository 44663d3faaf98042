"""The collector: takes what services left in their spools to the listener."""
