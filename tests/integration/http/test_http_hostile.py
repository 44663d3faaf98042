"""The genuine server's answers, and what becomes of broken requests."""

from __future__ import annotations

import random
import re
import socket

import pytest
from service_image import Service, docker

EXCHANGES = 300
SEED = 20261121
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x00\x2e\x01\x00\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
]


def exchange(address: str, request: bytes) -> bytes:
    """What the server answers until it closes or says nothing for half a second."""
    received = b""
    with socket.create_connection((address, 80), timeout=5) as connection:
        connection.settimeout(0.5)
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionError):
            pass
    return received


def comparable(answer: bytes) -> bytes:
    """`answer` without the time it was given, which differs between any two servers."""
    return re.sub(rb"Date: [^\r]+", b"Date: -", answer)


@pytest.mark.parametrize("request_bytes", REQUESTS)
def test_the_answer_is_the_stock_servers(plain: Service, stock: str, request_bytes: bytes) -> None:
    assert comparable(exchange(plain.address, request_bytes)) == comparable(exchange(stock, request_bytes))


def mutate(request: bytes, randomness: random.Random) -> bytes:
    """`request` cut off, with bytes changed, or swollen."""
    kind = randomness.randrange(4)
    if kind == 0:
        return request[: randomness.randrange(len(request))]
    if kind == 1:
        changed = bytearray(request)
        for _ in range(randomness.randrange(1, 6)):
            changed[randomness.randrange(len(changed))] = randomness.randrange(256)
        return bytes(changed)
    at = randomness.randrange(len(request))
    filler = bytes([randomness.randrange(256)]) * randomness.choice([200, 9000, 70000])
    return request[:at] + filler + request[at:]


def test_broken_exchanges_leave_no_trace(wordpress: Service) -> None:
    randomness = random.Random(SEED)
    for _ in range(EXCHANGES):
        with socket.create_connection((wordpress.address, 80), timeout=5) as connection:
            connection.settimeout(0.05)
            try:
                connection.sendall(mutate(randomness.choice(REQUESTS), randomness))
                answer = connection.recv(65536)
            except (TimeoutError, ConnectionError):
                continue
            assert b"Traceback" not in answer
    assert b"Server: nginx/1.18.0" in exchange(wordpress.address, REQUESTS[0])
    assert "Traceback" not in wordpress.output()
    assert docker("inspect", "-f", "{{.RestartCount}}", wordpress.name).strip() == "0"
    assert wordpress.lines()


def test_a_body_over_the_limit_is_refused_as_stock(plain: Service, stock: str) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"
    assert comparable(exchange(plain.address, request)) == comparable(exchange(stock, request))


def test_the_image_names_nothing_of_the_trade(plain: Service) -> None:
    words = "honeypot|decoy|decnet|kube"
    found = docker(
        "exec", plain.name, "sh", "-c",
        f"grep -rliE '{words}' /usr/lib/python3/dist-packages /run /etc 2>/dev/null; find / -xdev 2>/dev/null | grep -iE '{words}'",
        check=False,
    )  # fmt: skip
    assert found.strip() == ""
