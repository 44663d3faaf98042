"""Last, because nothing is there afterwards: uninstalling with deckies present."""

from __future__ import annotations

from lab.cluster import PRODUCT_NAMESPACE, kubectl, run, wait_for
from lab.deckies import SSH, apply, manifest, wait_ready


def test_uninstall_with_deckies_leaves_nothing_stuck() -> None:
    apply(manifest("left-behind", services=[SSH]))
    wait_ready("left-behind")
    run("helm", "uninstall", "decnet", "-n", PRODUCT_NAMESPACE, "--wait", "--timeout", "3m", timeout=240)
    wait_for("no decky pod", lambda: "left-behind" not in kubectl("get", "pods", "-A"), timeout=60)
    for kind in ("deckies", "swarmhosts"):
        left = kubectl("get", kind, "-A", check=False)
        assert "No resources found" in left or "the server doesn't have a resource type" in left, left
    kubectl("delete", "namespace", PRODUCT_NAMESPACE, "--timeout=90s")
