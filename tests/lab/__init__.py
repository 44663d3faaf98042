"""What the demo and the end-to-end tests share: the cluster, its database, an attacker on the LAN."""
