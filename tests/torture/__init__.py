"""The fault harness: numbered lines through the real pipe while everything in it dies.

`python -m torture --help`, with tests/ on PYTHONPATH.
"""
