"""From view to view and back."""

from __future__ import annotations

from textual.widget import AwaitMount

from tui.base import ConsoleBase


class Going(ConsoleBase):
    """The part of the console that changes what is open, and nothing else."""

    _last_mode = "overview"

    def begin_view(self) -> None:
        """Open the view that was left last."""
        kept = self.kept.text("view")
        if kept in self.MODES and kept != self.current_mode:
            self._last_mode = self.current_mode
            self.switch_mode(kept)

    def keep_view(self) -> None:
        """Remember the open view for the next run."""
        self.kept.keep_text("view", self.current_mode)

    def action_view(self, name: str) -> None:
        """Open a view; the open one goes back to its top."""
        self.go_to(name)

    def go_to(self, name: str) -> AwaitMount | None:
        """The same, for who has more to do there: a view that is opened for the first time can be waited for. What was
        said belonged to the view that is left."""
        self.say("")
        if name != self.current_mode:
            self._last_mode = self.current_mode
            return self.switch_mode(name)
        while len(self.screen_stack) > 1:
            self.pop_screen()
        return None

    def action_last_view(self) -> None:
        self.action_view(self._last_mode)

    async def action_back(self) -> None:
        if len(self.screen_stack) > 1:
            self.say("")
            self.pop_screen()

    async def action_leave(self) -> None:
        """One step back; at the top, quit."""
        if len(self.screen_stack) > 1:
            self.say("")
            self.pop_screen()
        else:
            await self.run_action("ask_quit")

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        view = self.view
        if view is not None and not isinstance(view, HelpScreen):
            self.push_screen(HelpScreen(view))

    def action_refresh_now(self) -> None:
        self.link.look_now()
        self.feed.again()
        self.say("read again")

    def action_redraw(self) -> None:
        self.refresh(repaint=True, layout=True)
        self.screen.refresh(repaint=True, layout=True)
