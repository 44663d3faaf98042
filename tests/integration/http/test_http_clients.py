"""Real clients against the web server: what they see, and what is recorded of them."""

from __future__ import annotations

import base64
import json

import pytest
from service_image import OTHER_SEED, Service

from lab.attacker import Attacker

HYDRA_GUESSES = [("admin", "admin"), ("admin", "letmein"), ("root", "toor&1"), ("bob", "p w"), ("eve", "x=y")]


def test_nmap_names_the_claimed_version(client: Attacker, wordpress: Service) -> None:
    found = client.do("nmap", "-sV", "-Pn", "-n", "-p", "80", wordpress.address)
    assert "nginx 1.18.0" in found
    assert "honeypot" not in found.lower()


def test_five_form_guesses_are_five_credentials(client: Attacker, wordpress: Service) -> None:
    since = wordpress.mark()
    guesses = "".join(f"{user}:{password}\n" for user, password in HYDRA_GUESSES).encode()
    client.do("sh", "-c", "cat > /tmp/guesses", stdin=guesses.decode())
    form = "/wp-login.php:log=^USER^&pwd=^PASS^:S=Dashboard"
    client.do(
        "hydra", "-I", "-t", "2", "-C", "/tmp/guesses", wordpress.address, "http-post-form", form, check=False
    )
    found = wordpress.wait_for("credential", since, count=5)
    assert {fields["principal"] for fields in found} == {"admin", "root", "bob", "eve"}
    assert all(fields["method"] == "form" and fields["outcome"] == "refused" for fields in found)


def test_basic_guesses_are_credentials(client: Attacker, wordpress: Service) -> None:
    since = wordpress.mark()
    for user, password in HYDRA_GUESSES:
        client.do("curl", "-s", "-o", "/dev/null", "-u", f"{user}:{password}", f"http://{wordpress.address}/")
    found = wordpress.wait_for("credential", since, count=5)
    taken = [(f["principal"], base64.b64decode(f["secret_b64"]).decode()) for f in found]
    assert taken == HYDRA_GUESSES


def test_the_login_page_refuses_like_the_product(client: Attacker, wordpress: Service) -> None:
    url = f"http://{wordpress.address}"
    assert "Powered by WordPress" in client.do("curl", "-sL", f"{url}/")
    answer = client.do("curl", "-s", "-d", "log=<b>bob&pwd=x", f"{url}/wp-login.php")
    assert "&lt;b&gt;bob" in answer
    assert "is not registered on this site" in answer


@pytest.mark.parametrize(
    ("app", "path", "words"),
    [
        ("phpmyadmin", "/", "Welcome to"),
        ("router", "/", "Router Configuration"),
        ("jenkins", "/login", "Sign in to Jenkins"),
        ("login", "/login", "Sign in"),
    ],
)
def test_every_application_takes_a_login(
    client: Attacker, network: str, app: str, path: str, words: str
) -> None:
    with Service("http", network, {"fake_app": app}) as service:
        assert words in client.do("curl", "-s", f"http://{service.address}{path}")
        form = {"phpmyadmin": "pma_username=a&pma_password=b", "jenkins": "j_username=a&j_password=b"}
        target = "/j_spring_security_check" if app == "jenkins" else path
        body = form.get(app, "username=a&password=b")
        client.do("curl", "-s", "-o", "/dev/null", "-d", body, f"http://{service.address}{target}")
        [taken] = service.wait_for("credential")
        assert (taken["principal"], taken["secret_printable"]) == ("a", "b")


def test_a_request_is_recorded_whole(client: Attacker, plain: Service) -> None:
    since = plain.mark()
    url = f"http://{plain.address}/a%20b?x=1"
    client.do(
        "curl", "-s", "-o", "/dev/null", "-A", "probe/1", "-H", "X-Odd: ä", "--data-binary", "a\x01b", url
    )
    [request] = plain.wait_for("http_request", since)
    assert request["method"] == "POST"
    assert request["path"] == "/a%20b?x=1"
    assert request["status"] == "404"
    assert base64.b64decode(request["body_b64"]) == b"a\x01b"
    assert ["X-Odd", "ä"] in json.loads(request["headers"])
    assert request["src_ip"].count(".") == 3
    assert int(request["src_port"]) > 0


def test_persona_keys_work(client: Attacker, network: str) -> None:
    persona = {
        "server_header": "Apache/2.4.57 (Debian)",
        "response_code": 403,
        "custom_body": 'a "quoted" $body',
        "extra_headers": {"X-Backend": "10$.0"},
        "files": {"/robots.txt": "User-agent: *\n"},
    }
    with Service("http", network, persona) as service:
        url = f"http://{service.address}"
        front = client.do("curl", "-si", f"{url}/")
        assert front.startswith("HTTP/1.1 403")
        assert 'a "quoted" $body' in front
        assert "Server: Apache/2.4.57 (Debian)" in front
        assert "X-Backend: 10$.0" in front
        assert client.do("curl", "-s", f"{url}/robots.txt") == "User-agent: *\n"
        missing = client.do("curl", "-s", f"{url}/missing")
        assert "<address>Apache/2.4.57 (Debian) Server at" in missing
        assert "nginx" not in missing


def test_two_machines_share_no_cookie_and_a_restart_keeps_it(client: Attacker, network: str) -> None:
    def cookie(seed: str) -> str:
        with Service("http", network, {"fake_app": "phpmyadmin"}, seed=seed) as service:
            answer = client.do("curl", "-si", f"http://{service.address}/")
            return next(line for line in answer.splitlines() if line.startswith("Set-Cookie"))

    first = cookie("aa" * 32)
    assert first == cookie("aa" * 32)
    assert first != cookie(OTHER_SEED)
