"""Process 1 of the container: the application, nginx, and the reader of its records."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from web.app import Application, AppServer
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
    (RUN / "ready").unlink(missing_ok=True)
    APP_SOCKET.unlink(missing_ok=True)
    app = AppServer(APP_SOCKET, Application(settings))
    threading.Thread(target=app.serve_forever, daemon=True).start()
    nginx, records = start_nginx(settings)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop(nginx, _frame))
    reporter.emit("service_started", {"version": settings.server})
    (RUN / "ready").touch()
    with open(records, encoding="ascii", errors="backslashreplace") as lines:  # noqa: PTH123  # a descriptor
        while line := lines.readline(MAX_RECORD):
            reporter.record(line.rstrip("\n"))
    return nginx.wait()


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
    """Debian's site, or a copy of it with the persona's files added."""
    if not settings.files:
        return STOCK_ROOT
    root = RUN / "site"
    shutil.copytree(STOCK_ROOT, root, dirs_exist_ok=True)
    for path, text in settings.files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return root


if __name__ == "__main__":
    sys.exit(main())
