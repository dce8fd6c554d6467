"""`send_review_request`: asks the customer of a delivered order for a review."""

from __future__ import annotations

from engine.processors.orders import OrderPayload, OrderProcessor

DELIVERED = frozenset({"delivered", "completed", "fulfilled"})
"""The values of a column `status` with which an order can be judged by whoever ordered it."""


class ReviewRequest(OrderPayload):
    """Which order is to be reviewed, and by which campaign its customer is asked."""


class SendReviewRequest(OrderProcessor[ReviewRequest]):
    kind = "send_review_request"
    about = "asks the customer of a delivered order for a review, as a message of a campaign"
    payload = ReviewRequest

    def why_not(self, payload: ReviewRequest, status: str) -> str:
        return ", not delivered" if status and status not in DELIVERED else ""
