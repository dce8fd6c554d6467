"""`send_reminder`: reminds the customer of an order of what is still open."""

from __future__ import annotations

from pydantic import Field

from engine.processors.orders import OrderPayload, OrderProcessor


class Reminder(OrderPayload):
    """Which order its customer is reminded of. Whether it is settled is asked when the reminder is due."""

    settled: tuple[str, ...] = Field(
        default=("paid", "cancelled", "returned"),
        max_length=50,
        description="values of its column status with which nothing is left to be reminded of",
    )


class SendReminder(OrderProcessor[Reminder]):
    kind = "send_reminder"
    about = "reminds a customer of an order that is still open, as a message of a campaign"
    payload = Reminder

    def why_not(self, payload: Reminder, status: str) -> str:
        return ": nothing to remind of" if status in {word.lower() for word in payload.settled} else ""
