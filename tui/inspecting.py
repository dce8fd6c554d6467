"""What can be looked at beside the views: every action, the record, what can be copied or taken back, the diagnosis.

Each page is imported when it is opened: the first frame waits for none of them.
"""

from __future__ import annotations

from tui.acting import Acting
from tui.actions import Target
from tui.copying import Copying
from tui.screens.page import Page
from tui.screens.view import ViewScreen


class Inspecting(Acting, Copying):
    """The part of the console that opens pages over a view."""

    def _below(self) -> ViewScreen | None:
        """The view that a page would be about; a page itself is not."""
        return None if isinstance(self.view, Page) else self.view

    def targets(self) -> list[Target]:
        """What can be acted on now, nearest first."""
        return [*(self.view.targets() if self.view is not None else []), *self.common_targets()]

    def action_actions(self) -> None:
        from tui.screens.all_actions import ActionsScreen

        if (view := self._below()) is not None:
            self.push_screen(ActionsScreen(view.tab, view.crumb(), self.targets()))

    def action_raw(self) -> None:
        from tui.screens.raw import RawScreen, recorded

        if (view := self._below()) is None:
            return
        target = recorded(view.targets())
        if target is None:
            self.say("there is no record under the cursor")
        else:
            self.push_screen(RawScreen(view.tab, view.crumb(), target))

    def action_copy_menu(self) -> None:
        from tui.screens.copy_menu import CopyScreen, entries

        if (view := self._below()) is None:
            return
        found = entries(view.targets(), self.situation())
        if found:
            self.push_screen(CopyScreen(view.tab, view.crumb(), found))
        else:
            self.say("there is nothing here to copy")

    def action_undo_list(self) -> None:
        from tui.screens.undo_list import UndoScreen

        if (view := self._below()) is not None:
            self.push_screen(UndoScreen(view.tab, "What can be taken back"))

    def action_suppressions(self, narrowed: str = "") -> None:
        from tui.screens.suppressions import SuppressionsScreen

        if self.view is not None and not isinstance(self.view, SuppressionsScreen):
            self.push_screen(SuppressionsScreen(narrowed))
        elif self.view is not None and narrowed:
            self.view.narrow(narrowed)

    def action_inbox(self, narrowed: str = "") -> None:
        from tui.screens.inbox import InboxScreen

        if self.view is not None and not isinstance(self.view, InboxScreen):
            self.push_screen(InboxScreen(narrowed))
        elif self.view is not None and narrowed:
            self.view.narrow(narrowed)

    def action_diagnosis(self) -> None:
        from tui.screens.diagnosis import DiagnosisScreen

        if (view := self._below()) is not None:
            self.push_screen(DiagnosisScreen(view.tab, self.database))
