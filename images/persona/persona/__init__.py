"""Puts the network disguise on a machine, contains it, and keeps both so.

What happens when, in `main.py`; what must hold, in `checks.py` and `arp.py`; what may leave the machine, in
`ruleset.py`. `nft.py` and `netlink.py` talk to the kernel, `refusals.py` counts, `watch.py` stays.
A TCP/IP personality is compiled beside `ruleset.py` and loaded, verified and restored by the same `nft.py`.
"""
