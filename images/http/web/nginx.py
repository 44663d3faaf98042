"""nginx's configuration: Debian's own, and what a persona changes in it.

The default persona is Debian's stock site word for word, so its answers are the genuine ones. Requests are
written to an inherited pipe, which blocks when nobody reads, instead of to syslog, which drops.

Known differences from the genuine server:
- A request whose announced body does not come is answered when it has come or timed out, not at once:
  the body is wanted for the record.
- Under a name that only rules can set (`is_native`), `Server:` stands after nginx's own headers.
"""

from __future__ import annotations

from pathlib import Path

from web.errorpages import NGINX_CODES, content_type, error_page
from web.settings import INSTALLED, Settings

HIDDEN_VERSION = "nginx"  # what server_tokens off makes of it
RUN = Path("/run/www")
APP_SOCKET = RUN / "app.sock"
PROGRAM = Path("/usr/sbin/nginx")
STOCK_ROOT = Path("/var/www/html")
MODULES = Path("/usr/lib/nginx/modules")

# The workers stay root: process 1 holds NET_BIND_SERVICE alone and could not become another user.
_MAIN = """daemon off;
user root root;
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
    rewrite_by_lua_block {{ require("record").rewrite() }}
    header_filter_by_lua_block {{ require("record").filter_header() }}
    log_by_lua_block {{ require("record").write() }}
    geo $dollar {{ default "$"; }}
    # The user agents for which nginx pads its error pages.
    map $http_user_agent $wants_padding {{ default 0; "~MSIE|Chrome/" 1; }}
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
_REAL_ERRORS = "            proxy_intercept_errors on;\n"
_STATIC = """        location / {
            try_files $uri $uri/ =404;
        }
"""
# Without nginx's redirect of directories, whose page would name the genuine server.
_STATIC_BY_RULES = """        location / {
            try_files $uri =404;
        }
"""
_INDEX_BY_RULES = """        location = / {
            try_files /index.html /index.htm /index.nginx-debian.html =404;
        }
"""


def worn_by_binary(server: str) -> bool:
    """Whether nginx itself can be made to say `server`: another version number of the same length.

    Only then do header order and error pages stay nginx's own; any other name is set by rules.
    """
    return server.startswith("nginx/") and len(server) == len(INSTALLED)


def is_native(server: str) -> bool:
    """Whether nginx can say `server` by itself, with its own header order and pages."""
    return worn_by_binary(server) or server == HIDDEN_VERSION


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
    http = "    server_tokens off;\n" if settings.server == HIDDEN_VERSION else ""
    if not is_native(settings.server):
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
    if is_native(settings.server):
        # An empty answer of the application becomes nginx's own page.
        own = {404} if settings.fake_app != "none" else set()
        if settings.has_bare_status:
            own.add(settings.response_code)
        return "".join(
            f"        error_page {code} @own{code};\n"
            f"        location @own{code} {{ internal; return {code}; }}\n"
            for code in sorted(own)
        )
    lines = ""
    for code in NGINX_CODES:
        body, padding = (
            quote(text).replace("${dollar}host", "$host") for text in error_page(code, settings.server)
        )
        status = 400 if code == 494 else code
        # By an address, not a named location: a request too broken to have one gets there as well.
        lines += (
            f"        error_page {code} /_error/{code};\n"
            f"        location = /_error/{code} {{ internal;"
            f' default_type "{content_type(settings.server)}"; set $padding "";'
            f' if ($wants_padding) {{ set $padding {padding}; }} return {status} {body[:-1]}$padding"; }}\n'
        )
    return lines


def _front(settings: Settings) -> str:
    if settings.fake_app != "none":
        own = "".join(f"        location = {quote(path)} {{ root {RUN}/site; }}\n" for path in settings.files)
        return f"{own}        location / {{\n{_PROXY}{_REAL_ERRORS}        }}\n"
    static = _STATIC if is_native(settings.server) else _STATIC_BY_RULES
    if settings.has_own_front:
        errors = _REAL_ERRORS if settings.has_bare_status else ""
        return f"{static}        location = / {{\n{_PROXY}{errors}        }}\n"
    return static if is_native(settings.server) else static + _INDEX_BY_RULES
