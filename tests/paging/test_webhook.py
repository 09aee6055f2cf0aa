"""What a webhook is sent, whom it believes, and why it failed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loop import run
from tests.paging.outside import Receiver
from vitals.attempt import attempt
from vitals.webhook import Webhook

PEM = Path(__file__).parent / "self_signed.pem"
"""Certificate and key for 127.0.0.1, of use to nobody else."""
Start = Callable[..., Receiver]


def test_the_body_is_posted_as_json(receiver: Start) -> None:
    there = receiver(204)
    assert Webhook(there.url, {"text": "Room 1: SpO2 86 < 88, 37 °C"})() == ""
    assert there.bodies == [{"text": "Room 1: SpO2 86 < 88, 37 °C"}]
    assert there.paths == ["/hook/s3cret?a=b"]
    assert there.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_bad_status_is_the_reason(status: int, receiver: Start) -> None:
    assert Webhook(receiver(status).url, {})() == f"HTTP {status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, receiver: Start) -> None:
    elsewhere = receiver()
    reason = Webhook(receiver(status, location=elsewhere.url).url, {})()
    assert reason == f"HTTP {status}: a redirect, which is not followed; name the final address"
    assert elsewhere.bodies == []


def test_a_proxy_of_the_environment_is_not_used(
    receiver: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, proxy = receiver(), receiver()
    monkeypatch.setenv("http_proxy", proxy.url)
    assert Webhook(there.url, {})() == ""
    assert (len(there.bodies), len(proxy.bodies)) == (1, 0)


def test_nobody_there_is_said_without_the_address() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert Webhook(f"http://127.0.0.1:{port}/s3cret", {})() == "connection refused"


def test_a_name_that_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    reason = Webhook("https://hooks.example/s3cret", {})()
    assert reason == "no address is known for hooks.example"


def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Start) -> None:
    there = receiver(certificate=PEM)
    reason = Webhook(there.url, {"text": "health data"})()
    assert reason.startswith("the certificate of 127.0.0.1 is not trusted: self-signed certificate")
    assert there.bodies == []


def test_a_certificate_of_the_clinics_own_authority_is_believed(
    receiver: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    there = receiver(certificate=PEM)
    assert Webhook(there.url, {"text": "x"})() == ""
    other_name = there.url.replace("127.0.0.1", "localhost")
    assert "is not trusted: Hostname mismatch" in Webhook(other_name, {})()
    assert len(there.bodies) == 1


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n"])
def test_an_answer_that_is_not_http_is_called_that(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        reason = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", {})()
        thread.join()
    assert reason == "127.0.0.1 ended the connection without an answer in HTTP"


def test_a_server_that_says_nothing_is_left_at_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hook = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", {})

        async def main() -> None:
            assert await attempt(hook, 0.3) == "timed out after 0.3 s"

        run(main())
        ours = [thread for thread in threading.enumerate() if thread.name == "attempt"]
        for thread in ours:
            thread.join(3)  # the patience with one step of the connection is longer
        assert not any(thread.is_alive() for thread in ours)


def test_what_was_given_up_before_it_was_sent_never_is(receiver: Start) -> None:
    there = receiver()
    hook = Webhook(there.url, {})
    hook.stop()
    assert hook() != ""
    assert there.bodies == []
