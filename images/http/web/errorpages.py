"""Error and front pages as the claimed server writes them, where nginx itself cannot be made to claim it."""

from __future__ import annotations

NGINX_CODES = {
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Not Allowed",
    408: "408 Request Time-out",
    411: "411 Length Required",
    412: "412 Precondition Failed",
    413: "413 Request Entity Too Large",
    414: "414 Request-URI Too Large",
    416: "416 Requested Range Not Satisfiable",
    494: "400 Request Header Or Cookie Too Large",  # nginx's own code; it answers 400
    500: "500 Internal Server Error",
    501: "501 Not Implemented",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
    505: "505 HTTP Version Not Supported",
}
"""Every status that this nginx makes a page for by itself, and the page's title."""

_APACHE = {
    400: ("Bad Request", "Your browser sent a request that this server could not understand.<br />\n"),
    403: ("Forbidden", "You don't have permission to access this resource."),
    404: ("Not Found", "The requested URL was not found on this server."),
    405: ("Method Not Allowed", "The requested method is not allowed for this URL."),
    412: ("Precondition Failed", "The precondition on the request\nfor the URL evaluated to false."),
    413: (
        "Request Entity Too Large",
        "The requested resource does not allow request data with the requested method, or the amount of data\n"
        "provided in\nthe request exceeds the capacity limit.",
    ),
    414: ("Request-URI Too Long", "The requested URL's length exceeds the capacity\nlimit for this server."),
    494: (
        "Bad Request",
        "Your browser sent a request that this server could not understand.<br />\n"
        "Size of a request header field exceeds server limit.",
    ),
    501: ("Not Implemented", "The requested method is not supported for this URL."),
    505: ("HTTP Version Not Supported", "The server does not support the HTTP version of the request."),
}
_APACHE_FRONT = "<html><body><h1>It works!</h1></body></html>\n"

_IIS_FRONT = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1" />
<title>IIS Windows Server</title>
<style type="text/css">
<!--
body { color:#000000; background-color:#0072C6; margin:0; }
#container { margin-left:auto; margin-right:auto; text-align:center; }
a img { border:none; }
-->
</style>
</head>
<body>
<div id="container">
<a href="http://go.microsoft.com/fwlink/?linkid=66138&amp;clcid=0x409"><img src="iisstart.png" alt="IIS" width="960" height="600" /></a>
</div>
</body>
</html>
"""  # noqa: E501
_IIS_TEXTS = {
    403: (
        "Forbidden: Access is denied.",
        "You do not have permission to view this directory or page using the credentials that you supplied.",
    ),
    404: (
        "File or directory not found.",
        "The resource you are looking for might have been removed, had its name changed, or is temporarily "
        "unavailable.",
    ),
    405: (
        "HTTP verb used to access this page is not allowed.",
        "The page you are looking for cannot be displayed because an invalid method (HTTP verb) was used to "
        "attempt access.",
    ),
    500: (
        "Internal server error.",
        "There is a problem with the resource you are looking for, and it cannot be displayed.",
    ),
}
_CHROME_PADDING = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6


def is_apache(server: str) -> bool:
    """Whether `server` claims to be Apache's httpd."""
    return server.lower().startswith("apache")


def is_iis(server: str) -> bool:
    """Whether `server` claims to be Microsoft's."""
    return server.lower().startswith("microsoft-")


def content_type(server: str) -> str:
    """How the claimed server labels its error pages."""
    return "text/html; charset=iso-8859-1" if is_apache(server) else "text/html"


def front_page(server: str) -> str:
    """What a fresh installation of the claimed server shows; empty for nginx, which has its own."""
    if is_apache(server):
        return _APACHE_FRONT
    return _IIS_FRONT if is_iis(server) else ""


def error_page(code: int, server: str) -> tuple[str, str]:
    """Body for nginx's `code` as `server` writes it, and what to add for Chrome and Internet Explorer.

    The body may use nginx's variable $host.
    """
    title = NGINX_CODES[code]
    if is_apache(server):
        return _apache_page(code, server), ""
    if is_iis(server):
        return _iis_page(code, title), ""
    heading = title
    extra = ""
    if code == 494:
        heading = NGINX_CODES[400]
        extra = "<center>Request Header Or Cookie Too Large</center>\r\n"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n"
        f"{extra}<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
    return body, _CHROME_PADDING


def _apache_page(code: int, server: str) -> str:
    status, _, reason = NGINX_CODES[code].partition(" ")
    title, text = _APACHE.get(code, (reason, "The server could not complete your request."))
    return (
        '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
        f"<title>{status} {title}</title>\n</head><body>\n<h1>{title}</h1>\n<p>{text}</p>\n"
        f"<hr>\n<address>{server} Server at $host Port 80</address>\n</body></html>\n"
    )


def _iis_page(code: int, title: str) -> str:
    status, _, reason = title.partition(" ")
    if code not in _IIS_TEXTS:  # what the kernel's part of it answers, before any site is asked
        return (
            '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
            f"<HTML><HEAD><TITLE>{reason}</TITLE>\r\n"
            '<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
            f"<BODY><h2>{reason}</h2>\r\n<hr><p>HTTP Error {status}. {reason}.</p>\r\n</BODY></HTML>\r\n"
        )
    short, long = _IIS_TEXTS[code]
    return (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" '
        '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\r\n'
        '<html xmlns="http://www.w3.org/1999/xhtml">\r\n<head>\r\n'
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"/>\r\n'
        f"<title>{status} - {short}</title>\r\n</head>\r\n<body>\r\n"
        '<div id="header"><h1>Server Error</h1></div>\r\n<div id="content">\r\n'
        f' <div class="content-container"><fieldset>\r\n  <h2>{status} - {short}</h2>\r\n'
        f"  <h3>{long}</h3>\r\n </fieldset></div>\r\n</div>\r\n</body>\r\n</html>\r\n"
    )
