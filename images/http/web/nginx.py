"""nginx's configuration: Debian's own, and what a persona changes in it.

The default persona is Debian's stock site word for word, so its answers are the genuine ones. Requests are
written to an inherited pipe, which blocks when nobody reads, instead of to syslog, which drops.
"""

from __future__ import annotations

from pathlib import Path

from web.errorpages import REASONS, error_page
from web.settings import INSTALLED, Settings

RUN = Path("/run/www")
APP_SOCKET = RUN / "app.sock"
PROGRAM = Path("/usr/sbin/nginx")
STOCK_ROOT = Path("/var/www/html")
MODULES = Path("/usr/lib/nginx/modules")

_MAIN = """daemon off;
worker_processes 1;
pid {run}/nginx.pid;
error_log /dev/null;
load_module {modules}/ngx_http_headers_more_filter_module.so;
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    gzip on;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    # A whole body of the stock limit (1 MiB) stays in memory, where the log can see it.
    client_body_buffer_size 1m;
    client_body_in_single_buffer on;
    access_log off;
    lua_package_path "{code}/?.lua;;";
    init_worker_by_lua_block {{ require("record").open("/dev/fd/{log_fd}") }}
    rewrite_by_lua_block {{ require("record").read_body() }}
    header_filter_by_lua_block {{ require("record").keep_header() }}
    log_by_lua_block {{ require("record").write() }}
    geo $dollar {{ default "$"; }}
{http}    server {{
        listen 80 default_server;
        listen [::]:80 default_server;
        root {root};
        index index.html index.htm index.nginx-debian.html;
        server_name _;
{server}    }}
}}
"""

_PROXY = f"""            proxy_pass http://unix:{APP_SOCKET}:;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
"""
_STATIC = """        location / {
            try_files $uri $uri/ =404;
        }
"""


def worn_by_binary(server: str) -> bool:
    """Whether nginx itself can be made to say `server`: another version number of the same length.

    Only then do header order and error pages stay nginx's own; any other name is set by rules.
    """
    return server.startswith("nginx/") and len(server) == len(INSTALLED)


def dressed_binary(server: str) -> bytes:
    """The nginx program with its version replaced by that of `server`; raises ValueError if it has none."""
    program = PROGRAM.read_bytes()
    if INSTALLED.encode() not in program:
        raise ValueError(f"{PROGRAM} is not {INSTALLED}")
    return program.replace(INSTALLED.encode(), server.encode("ascii"))


def quote(text: str) -> str:
    """`text` as one nginx parameter that expands to exactly `text`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "${dollar}")
    return f'"{escaped}"'


def render(settings: Settings, log_fd: int, site_root: Path, code: Path) -> str:
    """The whole nginx.conf. `site_root` holds the static files, `code` the folder of record.lua."""
    http = ""
    if not worn_by_binary(settings.server):
        http += f"    more_set_headers {quote('Server: ' + settings.server)};\n"
    for name, value in settings.extra_headers.items():
        http += f"    more_set_headers {quote(f'{name}: {value}')};\n"
    return _MAIN.format(
        run=RUN,
        modules=MODULES,
        code=code,
        log_fd=log_fd,
        http=http,
        root=site_root,
        server=_error_pages(settings) + _front(settings),
    )


def _error_pages(settings: Settings) -> str:
    if worn_by_binary(settings.server):
        # The application's empty 404 becomes nginx's own page.
        own = "        error_page 404 @missing;\n        location @missing { internal; return 404; }\n"
        return own if settings.fake_app != "none" else ""
    lines = ""
    for status in REASONS:
        body = quote(error_page(status, settings.server)).replace("${dollar}host", "$host")
        lines += (
            f"        error_page {status} @error{status};\n"
            f"        location @error{status} {{ internal; default_type text/html;"
            f" return {status} {body}; }}\n"
        )
    return lines


def _front(settings: Settings) -> str:
    if settings.fake_app != "none":
        static = "".join(
            f"        location = {quote(path)} {{ root {RUN}/site; }}\n" for path in settings.files
        )
        return static + (
            "        location / {\n"
            f"            proxy_pass http://unix:{APP_SOCKET}:;\n"
            "            proxy_http_version 1.1;\n"
            "            proxy_set_header Host $http_host;\n"
            "            proxy_set_header X-Real-IP $remote_addr;\n"
            "            proxy_intercept_errors on;\n"
            "        }\n"
        )
    if settings.has_own_front:
        return f"        location = / {{\n{_PROXY}        }}\n{_STATIC}"
    return _STATIC
