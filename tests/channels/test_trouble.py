"""The system's errors as sentences, each grouped under the error key of its cause."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from aiosmtplib import SMTPServerDisconnected

from engine.channels.trouble import explain
from engine.classify import route_failure

BOTH_REFUSED = (
    "Multiple exceptions: [Errno 111] Connect call failed ('::1', 25, 0, 0), "
    "[Errno 111] Connect call failed ('127.0.0.1', 25)"
)


@pytest.mark.parametrize(
    ("error", "sentence", "key"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "mx.test:25 refused the connection", "connection refused"),
        (OSError(BOTH_REFUSED), "mx.test:25 refused the connection", "connection refused"),
        (OSError(errno.ENETUNREACH, "x"), "no route to mx.test:25", "network unreachable"),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to mx.test:25", "network unreachable"),
        (TimeoutError(), "no answer from mx.test:25 within 30 s", "timed out"),
        (OSError(errno.ETIMEDOUT, "x"), "no answer from mx.test:25", "timed out"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "the connection to mx.test:25 was lost", "connection lost"),
        (SMTPServerDisconnected("Connection lost"), "the connection to mx.test:25 was lost", "connection lost"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "no such host mx.test", "host name not found"),
        (UnicodeError("encoding with 'idna' codec failed"), "no such host mx.test: this cannot be a name",
         "host name not found"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
         "no name resolution for mx.test: Temporary failure in name resolution", "host name not found"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"),
         "the TLS handshake with mx.test:25 failed: [ssl: wrong version number] x", "tls handshake failed"),
        (OSError("the server spoke unasked"), "the server spoke unasked", "the server spoke unasked"),
        (ValueError(), "ValueError", "valueerror"),
    ],
)  # fmt: skip
def test_trouble_is_told_in_a_sentence_and_grouped_by_its_cause(error: Exception, sentence: str, key: str) -> None:
    assert explain(error, "mx.test", 25, 30.0) == sentence
    assert route_failure(sentence, phase="connect").error_key == key


def test_one_refusal_among_several_addresses_says_more_than_a_missing_route() -> None:
    both = OSError("Multiple exceptions: [Errno 101] Connect call failed, [Errno 111] Connect call failed")
    assert explain(both, "mx.test", 25, 30.0) == "mx.test:25 refused the connection"


def test_an_ipv6_address_stands_in_brackets_before_its_port() -> None:
    assert explain(ConnectionRefusedError(errno.ECONNREFUSED, "x"), "::1", 25, 30.0).startswith("[::1]:25 ")
