"""A payment gateway on loopback with a ledger of what it charged.

It honours Idempotency-Key: what was charged under a key is not charged again. Its ledger is the judge of what a
customer paid, whatever the engine believes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.webhook_server import Exchange, Play, answer


@dataclass
class Gateway:
    """`charges`: (order, amount) of every charge; `keys`: of every request that came whole."""

    charges: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    _charged: set[str] = field(default_factory=set)

    def charging(self, then: Play | None = None) -> Play:
        """Charge, then do `then` (by default: say so)."""
        after = then or answer(200, {"status": "paid"})

        async def run(exchange: Exchange) -> None:
            said = exchange.received.json
            self.keys.append(exchange.received.key)
            if exchange.received.key not in self._charged:
                self._charged.add(exchange.received.key)
                self.charges.append((said["order_id"], said["amount"]))
            await after.run(exchange)

        return Play(run)

    def refusing(self, status: int, body: object = b"", **headers: str) -> Play:
        """Charge nothing, and answer with `status`."""
        refusal = answer(status, body, headers={name.replace("_", "-"): value for name, value in headers.items()})

        async def run(exchange: Exchange) -> None:
            self.keys.append(exchange.received.key)
            await refusal.run(exchange)

        return Play(run)
