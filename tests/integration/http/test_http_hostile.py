"""The genuine server's answers, and what becomes of broken requests."""

from __future__ import annotations

import random
import re
import socket

import pytest
from service_image import Service, docker

EXCHANGES = 3000
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
    """`answer` without its time and the age of the site, which differ between any two servers."""
    return re.sub(rb"(Date|Last-Modified|ETag): [^\r]+", rb"\1: -", answer)


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


def workers(service: Service) -> list[str]:
    """Process ids of nginx's workers: a new one means that the old one died."""
    listing = docker("top", service.name, "-eo", "pid,args").splitlines()
    return [line.split()[0] for line in listing if "worker process" in line]


def test_broken_exchanges_leave_no_trace(wordpress: Service) -> None:
    randomness = random.Random(SEED)
    before = workers(wordpress)
    for _ in range(EXCHANGES):
        request = b"".join(
            mutate(randomness.choice(REQUESTS), randomness) for _ in range(randomness.choice([1, 1, 3]))
        )
        with socket.create_connection((wordpress.address, 80), timeout=5) as connection:
            connection.settimeout(2)
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
            except (TimeoutError, ConnectionError):
                continue
            assert b"Traceback" not in answer
    assert b"Server: nginx/1.18.0" in exchange(wordpress.address, REQUESTS[0])
    assert "Traceback" not in wordpress.output()
    assert docker("inspect", "-f", "{{.RestartCount}}", wordpress.name).strip() == "0"
    assert workers(wordpress) == before
    assert wordpress.lines()


def test_a_request_line_beyond_the_buffer_is_answered_and_recorded(plain: Service, stock: str) -> None:
    since, before = plain.mark(), workers(plain)
    for request in (b"GET /" + b"a" * 8187, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n"):
        assert comparable(exchange(plain.address, request)) == comparable(exchange(stock, request))
    assert len(plain.wait_for("http_request", since, count=2)) == 2
    assert workers(plain) == before


def test_a_body_over_the_limit_is_refused_as_stock(plain: Service, stock: str) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"
    assert comparable(exchange(plain.address, request)) == comparable(exchange(stock, request))


CLAIMS = ["nginx", "nginx/1.18.0 (Ubuntu)", "Apache/2.4.57 (Debian)", "Microsoft-IIS/10.0"]
BROKEN = [
    *REQUESTS,
    b"GARBAGE\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000 + b"\r\n\r\n",
    b"GET /" + b"a" * 8187,  # a buffer full, and no byte that would make the close a reset
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: odd\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nIf-Match: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=9999999-\r\n\r\n",
    b"GET /folder HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /folder/ HTTP/1.1\r\nHost: a\r\nUser-Agent: Mozilla/5.0 Chrome/120.0\r\n\r\n",
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_answer_tells_another_server_than_claimed(network: str, stock: str, claim: str) -> None:
    with Service("http", network, {"server_header": claim, "files": {"/folder/file": "x"}}) as service:
        for request in BROKEN:
            answer = exchange(service.address, request)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.count(b"Server: ") == 1, (request[:60], answer[:300])
            assert f"Server: {claim}\r\n".encode() in head + b"\r\n", (request[:60], head)
            assert b"nginx/1.22.1" not in answer, (request[:60], answer)
            assert b" 500 " not in head, (request[:60], answer)
            genuine = exchange(stock, request)
            if b"folder" not in request:
                assert head[:12] == genuine[:12], (request[:60], "another status than the stock server")
            if "nginx" not in claim:
                assert b"nginx" not in answer, (request[:60], answer)
            elif b"folder" not in request:
                genuine_body = genuine.partition(b"\r\n\r\n")[2]
                assert body == genuine_body.replace(b"nginx/1.22.1", claim.encode()), request[:60]
        assert service.events("http_request")


def test_every_machine_has_a_site_of_its_own_age(network: str) -> None:
    def validators(seed: str) -> list[bytes]:
        with Service("http", network, seed=seed) as service:
            answer = exchange(service.address, REQUESTS[0])
            return re.findall(rb"(?:Last-Modified|ETag): ([^\r]+)", answer)

    first = validators("aa" * 32)
    assert len(first) == 2
    assert first == validators("aa" * 32), "the same after a restart"
    assert not set(first) & set(validators("bb" * 32))


def test_slow_clients_are_bounded_as_stock(plain: Service) -> None:
    """Half-sent requests cost little, and others are served meanwhile."""
    connections = [socket.create_connection((plain.address, 80), timeout=5) for _ in range(400)]
    try:
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert exchange(plain.address, REQUESTS[0]).startswith(b"HTTP/1.1 200")
        usage = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", plain.name).split("MiB")[0]
        assert float(usage) < 48
    finally:
        for connection in connections:
            connection.close()


def test_resident_memory_is_small(plain: Service) -> None:
    usage = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", plain.name)
    print(usage)
    assert float(usage.split("MiB")[0]) < 40


def test_the_image_names_nothing_of_the_trade(plain: Service) -> None:
    words = "honeypot|decoy|decnet|kube"
    found = docker(
        "exec", plain.name, "sh", "-c",
        f"grep -rliE '{words}' /usr/lib/python3/dist-packages /run /etc 2>/dev/null;"
        f" find / -xdev 2>/dev/null | grep -iE '{words}'",
        check=False,
    )  # fmt: skip
    assert found.strip() == ""
