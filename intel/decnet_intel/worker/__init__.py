"""Background work beside the database: the Kubernetes mirror, partitions, retention."""
