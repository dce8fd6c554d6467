"""What lists over any view share that are read in pages by id, the newest first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

from storage.filter_terms import Filter
from tui.screens.filtered import FilteredScreen
from tui.screens.view import PAGE, back_binding, look_bindings


class NewestScreen(FilteredScreen):
    """`data` is one page of `rows`, and their `count` as text. A subclass draws them and says what it reads."""

    MODE = "campaigns"
    BINDINGS: ClassVar = [*look_bindings("shape", "columns"), back_binding("put_back")]

    def token(self) -> Hashable:
        return (self.LIST, self.filter, self.after[-1])

    def orders(self) -> list[str]:
        """The newest first: any other order would sort the whole list."""
        return [""]

    def page_rows(self) -> list[dict[str, Any]]:
        return self.data["rows"] if self.data is not None else []

    def tell_page(self, data: dict[str, Any]) -> None:
        """On row 3, which part of the list this is; below it, the words of the row under the cursor."""
        first = (len(self.after) - 1) * PAGE
        pages = len(self.after) > 1 or len(data["rows"]) >= PAGE
        keys = f"  {self.named('view.next_page')} {self.named('view.previous_page')} page" if pages else ""
        shown = f"{first + 1:,}-{first + len(data['rows']):,} of " if pages else ""
        self.crumb_right = f"{shown}{data['count']} entries{keys}"
        self.redraw_for_cursor()

    @abstractmethod
    def redraw_for_cursor(self) -> None:
        """The words of the row under the cursor, which the list has no room for."""

    def show_filtered(self, filter: Filter) -> None:
        self.after = [0]
        self.watch_data()

    async def action_put_back(self) -> None:
        if self.text:
            self.put_filter_back()
        else:
            await self.console.action_back()
