"""What the kinds that begin with an order share."""

from __future__ import annotations

from collections.abc import Mapping

from engine.processors.processor import Permanent


def customer_id_of(order: Mapping[str, str]) -> str:
    """Whose order it is. Raises Permanent where its row does not say."""
    found = order.get("customer_id") or order.get("customer", "")
    if not found:
        raise Permanent("the order has no customer: its file needs a column customer_id")
    return found
