"""Error pages as the claimed server writes them."""

from __future__ import annotations

REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Not Allowed",
    408: "Request Time-out",
    411: "Length Required",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    416: "Requested Range Not Satisfiable",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_APACHE = {
    400: ("Bad Request", "Your browser sent a request that this server could not understand.<br />"),
    403: ("Forbidden", "You don't have permission to access this resource."),
    404: ("Not Found", "The requested URL was not found on this server."),
    405: ("Method Not Allowed", "The requested method is not allowed for this URL."),
    413: ("Request Entity Too Large", "The requested resource does not allow request data."),
    414: ("Request-URI Too Long", "The requested URL's length exceeds the capacity\nlimit for this server."),
}


def error_page(status: int, server: str) -> str:
    """The body of a `status` answer of `server`; may use nginx's $host."""
    if server.lower().startswith("apache"):
        return _apache_page(status, server)
    title = f"{status} {REASONS[status]}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        f"<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )


def _apache_page(status: int, server: str) -> str:
    title, text = _APACHE.get(status, (REASONS[status], "The server could not complete your request."))
    return (
        '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
        f"<title>{status} {title}</title>\n</head><body>\n<h1>{title}</h1>\n<p>{text}</p>\n"
        f"<hr>\n<address>{server} Server at $host Port 80</address>\n</body></html>\n"
    )
