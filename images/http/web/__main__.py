"""Process 1 of the container: the application, nginx, and the reader of its records."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from web.app import Application, AppServer
from web.errorpages import front_page
from web.nginx import APP_SOCKET, PROGRAM, RUN, STOCK_ROOT, dressed_binary, render, worn_by_binary
from web.report import Reporter
from web.settings import INSTALLED, Settings, SettingsError, load_settings

MAX_RECORD = 200_000  # characters; record.lua's own limits stay below
CODE = Path(__file__).parent


def main() -> int:
    """Serve until told to stop; the exit status is nginx's."""
    try:
        settings = load_settings(os.environ.pop("SETTINGS", "{}"))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    reporter = Reporter(settings)
    for folder in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (RUN / folder).mkdir(parents=True, exist_ok=True)
    for left in ("ready", "nginx.pid"):
        (RUN / left).unlink(missing_ok=True)
    APP_SOCKET.unlink(missing_ok=True)
    app = AppServer(APP_SOCKET, Application(settings))
    threading.Thread(target=app.serve_forever, daemon=True).start()
    nginx, records = start_nginx(settings)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop(nginx, _frame))
    if wait_for_nginx(nginx):
        reporter.emit("service_started", {"version": settings.server})
        (RUN / "ready").touch()
    with open(records, encoding="ascii", errors="backslashreplace") as lines:  # noqa: PTH123  # a descriptor
        while line := lines.readline(MAX_RECORD):
            reporter.record(line.rstrip("\n"))
    return nginx.wait()


def wait_for_nginx(nginx: subprocess.Popen[bytes]) -> bool:
    """Whether nginx listens: it writes its pid file once it does, or ends."""
    while nginx.poll() is None:
        if (RUN / "nginx.pid").exists():
            return True
        time.sleep(0.02)
    return False


def stop(nginx: subprocess.Popen[bytes], _frame: FrameType | None) -> None:
    """Ask nginx to quit; its closed pipe ends the reading loop."""
    nginx.send_signal(signal.SIGTERM)


def start_nginx(settings: Settings) -> tuple[subprocess.Popen[bytes], int]:
    """nginx on the rendered configuration, and the descriptor on which its records arrive."""
    records, log_fd = os.pipe()
    site = site_root(settings)
    configuration = RUN / "nginx.conf"
    configuration.write_text(render(settings, log_fd, site, CODE), encoding="utf-8")
    program = PROGRAM
    if settings.server != INSTALLED and worn_by_binary(settings.server):
        program = RUN / "nginx"
        program.unlink(missing_ok=True)
        program.write_bytes(dressed_binary(settings.server))
        program.chmod(0o500)
    nginx = subprocess.Popen(
        [str(program), "-c", str(configuration), "-e", "/dev/null"],
        pass_fds=[log_fd],
        stdin=subprocess.DEVNULL,
    )
    os.close(log_fd)
    return nginx, records


def site_root(settings: Settings) -> Path:
    """A copy of Debian's site with the persona's files added, all as old as the machine says it is."""
    root = RUN / "site"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(STOCK_ROOT, root)
    front = front_page(settings.server)
    if front:
        (root / "index.html").write_text(front, encoding="utf-8")
    for path, text in settings.files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for made in root.rglob("*"):
        os.utime(made, (settings.installed_at, settings.installed_at))
    return root


if __name__ == "__main__":
    sys.exit(main())
