"""The application behind nginx: pages of a product that refuses every login."""

from __future__ import annotations

import html
import socketserver
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlsplit

from web.settings import Settings

PAGES = Path(__file__).parent / "apps"
TIMEOUT = 30  # seconds that a request of nginx's may take


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application says: status, headers, body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A product's login: where it is, what it sends along, how it refuses.

    `{…}` in headers is filled from the machine's own seed, so that two machines differ.
    """

    page: str
    login_paths: tuple[str, ...]
    front: str
    user_field: str
    error: str
    headers: dict[str, str]
    refused_status: int = 200
    refused_location: str = ""


_PHP = {"Content-Type": "text/html; charset=UTF-8", "X-Powered-By": "PHP/8.2.7"}
PRODUCTS = {
    "wordpress": Product(
        page="wordpress.html",
        login_paths=("/wp-login.php",),
        front="/wp-login.php",
        user_field="log",
        error="<strong>Error:</strong> The username <strong>$user</strong> is not registered on this site. "
        "If you are unsure of your username, try your email address instead.",
        headers={
            **_PHP,
            "Expires": "Wed, 11 Jan 1984 05:00:00 GMT",
            "Cache-Control": "no-cache, must-revalidate, max-age=0",
            "Set-Cookie": "wordpress_test_cookie=WP%20Cookie%20check; path=/",
            "X-Frame-Options": "SAMEORIGIN",
        },
    ),
    "phpmyadmin": Product(
        page="phpmyadmin.html",
        login_paths=("/", "/index.php", "/phpmyadmin/", "/phpmyadmin/index.php"),
        front="/",
        user_field="pma_username",
        error="Cannot log in to the MySQL server<br>mysqli::real_connect(): (HY000/1045): "
        "Access denied for user '$user'@'localhost' (using password: YES)",
        headers={**_PHP, "Set-Cookie": "phpMyAdmin={cookie26}; path=/; HttpOnly; SameSite=Strict"},
    ),
    "router": Product(
        page="router.html",
        login_paths=("/", "/login.htm", "/login.cgi", "/cgi-bin/login.cgi"),
        front="/",
        user_field="username",
        error="Invalid user name or password.",
        headers={
            "Content-Type": "text/html",
            "Cache-Control": "no-cache",
            "Set-Cookie": "SID={cookie26}; path=/",
        },
    ),
    "jenkins": Product(
        page="jenkins.html",
        login_paths=("/login", "/loginError"),
        front="/login?from=%2F",
        user_field="j_username",
        error="Invalid username or password",
        headers={
            "Content-Type": "text/html;charset=utf-8",
            "X-Content-Type-Options": "nosniff",
            "X-Hudson": "1.395",
            "X-Jenkins": "2.414.3",
            "X-Jenkins-Session": "{cookie8}",
            "X-Frame-Options": "sameorigin",
            "Set-Cookie": "JSESSIONID.{cookie8}=node0{cookie26}.node0; Path=/; HttpOnly",
        },
        refused_status=302,
        refused_location="/loginError",
    ),
    "login": Product(
        page="login.html",
        login_paths=("/", "/login"),
        front="/login",
        user_field="username",
        error="The user name or password is incorrect.",
        headers={
            "Content-Type": "text/html; charset=utf-8",
            "Set-Cookie": "session={cookie26}; Path=/; HttpOnly",
        },
    ),
}
JENKINS_CHECK = "/j_spring_security_check"
NOT_FOUND = Answer(404)


class Application:
    """Answers requests for one product, or the front page of a plain server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._product = PRODUCTS.get(settings.fake_app)
        self._cookies = {
            "cookie26": settings.derive("cookie", 26),
            "cookie8": settings.derive("instance", 8),
        }

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """The answer to a request for `target`, as the product gives it."""
        path = urlsplit(target).path
        if self._product is None:
            headers = {"Content-Type": "text/html"}
            return Answer(self._settings.response_code, headers, self._settings.custom_body)
        if method == "POST" and path in (*self._product.login_paths, JENKINS_CHECK):
            return self._refuse(self._product, body)
        if path in self._product.login_paths:
            return self._page(self._product, 200, "" if path != "/loginError" else self._product.error, "")
        if path in ("/", "/wp-admin/", "/wp-admin"):
            headers = {**self._headers(self._product), "Location": self._product.front}
            return Answer(302, headers)
        return NOT_FOUND

    def _refuse(self, product: Product, body: bytes) -> Answer:
        if product.refused_location:
            headers = {**self._headers(product), "Location": product.refused_location}
            return Answer(product.refused_status, headers)
        form = dict(parse_qsl(body.decode("utf-8", "replace")[:4096]))
        user = html.escape(form.get(product.user_field, "")[:60])
        return self._page(product, product.refused_status, product.error.replace("$user", user), user)

    def _headers(self, product: Product) -> dict[str, str]:
        return {name: value.format(**self._cookies) for name, value in product.headers.items()}

    def _page(self, product: Product, status: int, error: str, user: str) -> Answer:
        page = Template((PAGES / product.page).read_text(encoding="utf-8"))
        token = self._settings.derive("token", 32)
        shown = f'<div id="login_error" class="notice error">{error}</div>' if error else ""
        body = page.safe_substitute(
            error=shown, user=user, host=html.escape(self._settings.hostname), token=token
        )
        return Answer(status, self._headers(product), body)


class AppServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The application on the socket that nginx passes requests to; nginx bounds how many come at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, application: Application) -> None:
        self.application = application
        super().__init__(str(path), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """nginx hangs up when its client does; anything else is worth a trace in our own log."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    """One request from nginx, which has already checked its form and size."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def answer(self) -> None:
        """Read the body that nginx announced and send the application's answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert isinstance(self.server, AppServer)  # set by AppServer above
        answer = self.server.application.answer(self.command, self.path, body)
        payload = answer.body.encode()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer  # noqa: N815

    def address_string(self) -> str:
        """No address: the other side is nginx on a Unix socket."""
        return ""

    def log_message(self, *_: object) -> None:
        """Nothing: nginx's record is the log."""
