"""One question to an HTTP service and its bounded answer; nothing is followed, repeated or taken from the environment.

What matters for an invitation is whether the request had begun to leave when no answer came: httpcore's trace says so.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx

from engine.channels.trouble import explain
from engine.channels.unipile.answers import NoReplyError, Reply
from engine.channels.waits import http_date, retry_after

MOST_BYTES: Final = 1_000_000
"""Of one answer: a page of a hundred people takes a tenth of that."""
_NEVER: Final = 1 << 62


class Transport:
    """Asks one service. Every request has its own connection: one that was kept open and dropped meanwhile would leave
    in doubt what was never sent. Times in seconds: `connect_timeout` to be connected, `timeout` for the whole."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        secret: str,
        tls: ssl.SSLContext,
        connect_timeout: float,
        timeout: float,
    ) -> None:
        self._url = httpx.URL(base_url)
        self._secret = secret
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            base_url=self._url,
            # What is not compressed cannot grow while it is read.
            headers={**headers, "accept-encoding": "identity"},
            timeout=httpx.Timeout(timeout, connect=connect_timeout),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
            verify=tls,
            follow_redirects=False,
            trust_env=False,
        )

    async def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Reply:
        """The answer to one request. Raises NoReplyError."""
        begun = False

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or event.endswith("send_request_headers.started")

        request = self._client.build_request(method, path, params=query, json=body, extensions={"trace": trace})
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.send(request, stream=True)
                try:
                    return self._reply(response, await _read(response))
                finally:
                    await response.aclose()
        except (httpx.HTTPError, OSError, TimeoutError, _TooLongError) as error:
            raise NoReplyError(self._words(error, begun=begun), begun=begun) from None

    async def close(self) -> None:
        await self._client.aclose()

    def _reply(self, response: httpx.Response, content: bytes) -> Reply:
        text = content.decode("utf-8", "replace")
        if self._secret:
            text = text.replace(self._secret, "***")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = {}
        # A date counts from the answer's own, so that no clock needs to be right.
        said = http_date(response.headers.get("date", ""))
        wait = retry_after(response.headers.get("retry-after", ""), _NEVER if said is None else said)
        return Reply(response.status_code, data if isinstance(data, dict) else {}, text, wait)

    def _words(self, error: Exception, *, begun: bool) -> str:
        host, port = self._url.host, self._url.port or (443 if self._url.scheme == "https" else 80)
        timeout = self._timeout if begun else self._connect_timeout
        match error:
            case _TooLongError():
                return f"the answer of {host} is longer than {MOST_BYTES:,} bytes"
            case httpx.TimeoutException():
                return explain(TimeoutError(), host, port, timeout)
            case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
                return explain(ConnectionResetError(), host, port, timeout)
        return explain(_root(error), host, port, timeout)


class _TooLongError(Exception):
    pass


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MOST_BYTES:
            raise _TooLongError
    return bytes(content)


def _root(error: BaseException) -> Exception:
    """What the system itself said, beneath the names that three libraries gave it."""
    found: BaseException | None = error
    best = error
    while found is not None:
        if isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if isinstance(found, OSError) and (found.errno or isinstance(found, ssl.SSLError)):
            best = found
        found = found.__cause__ or found.__context__
    return best if isinstance(best, Exception) else OSError(type(best).__name__)
