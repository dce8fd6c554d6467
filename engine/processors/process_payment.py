"""`process_payment`: asks a gateway to take a payment, once.

Nothing tries a payment again by itself unless it is certain that nothing happened. A lost answer, a 5xx, a timeout or
an engine that died leaves the job `uncertain`, and a person says what became of it. Whatever they say, all tries of one
job carry the same Idempotency-Key, so a gateway that honours it charges once.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.channels.channel import ChannelError, Message
from engine.channels.webhook.channel import WebhookChannel
from engine.outcomes import Outcome as Answer
from engine.processors.context import RunContext
from engine.processors.options import options_of
from engine.processors.processor import (
    Again,
    Done,
    Doubtful,
    Held,
    NotDone,
    Outcome,
    Payload,
    Permanent,
    Processor,
)
from engine.webhook_account import Receiver
from storage.model import Effect, OutcomeClass

_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_LOGIN = frozenset({401, 407})
_NOT_NOW = frozenset({425, 429})
_UNKNOWN = frozenset({408, 409})
"""Of a request that may have come through, or of one whose key is still at work there."""


def _no_card(text: str) -> str:
    for found in _DIGITS.finditer(text):
        if _passes_luhn(found[0]):
            raise ValueError("holds what looks like a card's number: name the gateway's own token for it instead")
    return text


def _passes_luhn(text: str) -> bool:
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    return sum(digits[::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


Plain = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_card)]


class Payment(Payload):
    """What is paid, how, and what for."""

    amount: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=3, description='such as "149.00"')]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, such as EUR")]
    order_id: Plain
    method: Annotated[Plain, Field(description="the gateway's own token for how it is paid, never a card's number")]
    description: Annotated[str, Field(max_length=500), AfterValidator(_no_card)] = ""


class ProcessPayment(Processor[Payment]):
    kind = "process_payment"
    about = "asks a payment gateway to take a payment, never twice"
    payload = Payment
    effect = Effect.UNREPEATABLE

    async def run(self, context: RunContext, payload: Payment) -> Outcome:
        gateway = options_of(context, Receiver)
        channel = WebhookChannel(gateway.reached_by("the gateway"), context.clock)
        try:
            session = await channel.open()
        except ChannelError as error:
            raise _not_reached(error.outcome) from None
        try:
            answer = await session.deliver(Message("", payload.order_id, context.key, _body(context, payload)))
        finally:
            await session.close()
        return _judged(answer, context.key, payload)


def _body(context: RunContext, payload: Payment) -> bytes:
    """What the gateway is asked: JSON, with the amount as text, since a float would lose cents."""
    said = {
        "amount": f"{payload.amount:f}",
        "currency": payload.currency,
        "order_id": payload.order_id,
        "method": payload.method,
        "description": payload.description,
        "reference": context.key,
    }
    return json.dumps(said, ensure_ascii=False).encode()


def _not_reached(answer: Answer) -> Held | NotDone:
    """Why no connection stands: a gateway in trouble is asked again later, what is wrong here waits for a person."""
    return NotDone(answer.text) if answer.cls is OutcomeClass.ROUTE else Held(answer.text)


def _judged(answer: Answer, key: str, payload: Payment) -> Outcome:
    """What the gateway's answer means for a payment, which is more careful than for a message. Raises a RunError."""
    status, said = answer.code, answer.text
    if answer.cls is OutcomeClass.ACCEPTED:
        result: dict[str, Any] = {"amount": f"{payload.amount:f}", "currency": payload.currency, "reference": key}
        return Done({**result, "order_id": payload.order_id, "answer": said})
    if answer.cls is OutcomeClass.UNCERTAIN or status >= 500 or status in _UNKNOWN:
        raise Doubtful(said if status < 500 else f"{status} {said}; ask the gateway for Idempotency-Key {key}")
    if status == 0:
        raise NotDone(said)
    if status in _NOT_NOW:
        raise Again(f"{status} {said}", wait=answer.wait or None)
    if status in _LOGIN or 300 <= status <= 399:
        raise Held(f"{status} {said}")
    raise Permanent(f"{status} {said}")
