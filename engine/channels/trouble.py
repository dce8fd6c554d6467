"""Why a server was not reached, as a sentence for the operator in place of the system's own words."""

from __future__ import annotations

import errno
import re
import socket
import ssl

from aiosmtplib import SMTPServerDisconnected

_UNKNOWN_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN}


def explain(error: Exception, host: str, port: int, timeout: float) -> str:
    """One sentence about what went wrong on the way to `host`; `timeout` are the seconds that were waited for.

    Each sentence has words by which `reply_rules` knows it, so that the same trouble keeps one error key.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    codes = _codes(error)
    match error:
        case socket.gaierror() if error.errno in _UNKNOWN_NAME:
            return f"no such host {host}"
        case socket.gaierror():
            return f"no name resolution for {host}: {error.strerror}"
        case UnicodeError() if "idna" in str(error):
            return f"no such host {host}: this cannot be a name"
        case ssl.SSLCertVerificationError():
            # Errors that were not made by OpenSSL lack its attributes.
            reason: str = getattr(error, "verify_message", None) or str(error)
            return f"the TLS certificate of {host} is not valid: {reason.rstrip('.')}"
        case ssl.SSLError():
            reason = getattr(error, "reason", None) or str(error)
            return f"the TLS handshake with {place} failed: {reason.replace('_', ' ').lower()}"
        case OSError() if errno.ECONNREFUSED in codes:
            return f"{place} refused the connection"
        case OSError() if codes & _NO_ROUTE:
            return f"no route to {place}"
        case OSError() if errno.ETIMEDOUT in codes:
            return f"no answer from {place}"
        case TimeoutError():
            return f"no answer from {place} within {timeout:g} s"
        case ConnectionResetError() | BrokenPipeError() | SMTPServerDisconnected():
            return f"the connection to {place} was lost"
    return str(error) or type(error).__name__


def _codes(error: Exception) -> set[int]:
    """The system's error numbers: asyncio puts those of several addresses into one text."""
    number = getattr(error, "errno", None)
    return {number} if number else set(map(int, re.findall(r"\[Errno (\d+)\]", str(error))))
