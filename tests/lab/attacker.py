"""A machine of the intruder's on the deckies' LAN: a container with the usual tools."""

from __future__ import annotations

import uuid
from types import TracebackType

import yaml

from lab.cluster import DOCKER_NETWORK, ROOT, CommandError, run

SSH_OPTIONS = (
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=10", "-o", "NumberOfPasswordPrompts=1",
)  # fmt: skip


def attacker_image() -> str:
    """The image that `make images` built last."""
    values = yaml.safe_load((ROOT / "build" / "images.yaml").read_text())
    image: str = values["images"]["attacker"]
    return image


class Attacker:
    """A container on the LAN, gone when the `with` block ends."""

    def __init__(self, network: str = DOCKER_NETWORK, image: str = "") -> None:
        self._network = network
        self._image = image
        self.name = f"attacker-{uuid.uuid4().hex[:8]}"
        self.address = ""

    def __enter__(self) -> Attacker:
        run(
            "docker", "run", "-d", "--rm", "--init", "--name", self.name, "--network", self._network,
            "--cap-add", "NET_RAW", "--cap-add", "NET_ADMIN", "--entrypoint", "sleep",
            self._image or attacker_image(), "infinity",
        )  # fmt: skip
        self.address = run(
            "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name
        ).strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run("docker", "rm", "-f", self.name, check=False)

    def do(self, *command: str, check: bool = True, timeout: float = 120, stdin: str | None = None) -> str:
        """Run `command` on the attacker's machine and return what it printed."""
        interactive = ("-i",) if stdin is not None else ()
        return run(
            "docker", "exec", *interactive, self.name, *command, check=check, timeout=timeout, stdin=stdin
        )

    def start(self, *command: str) -> None:
        """Run `command` in the background."""
        run("docker", "exec", "-d", self.name, *command)

    def shell(self, address: str, user: str, password: str, command: str, timeout: float = 60) -> str:
        """What `command` prints in a shell on `address`; stderr is part of it."""
        return self.do(
            "sshpass", "-p", password, "ssh", *SSH_OPTIONS, f"{user}@{address}", f"{{ {command}; }} 2>&1",
            timeout=timeout, check=False,
        )  # fmt: skip

    def host_keys(self, address: str) -> list[str]:
        """The SSH host keys of `address`, sorted."""
        lines = self.do("ssh-keyscan", "-T", "5", address).splitlines()
        keys = sorted(line.split(" ", 1)[1] for line in lines if line and not line.startswith("#"))
        if not keys:
            raise CommandError(f"ssh-keyscan {address}: no host keys")
        return keys
