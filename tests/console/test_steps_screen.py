"""The steps of a sequence on the screen: what became of each, every one changed by keys, a person's whole sequence."""

from __future__ import annotations

import pytest

from tests.console.looking import SIZES, Compare, console, walk
from tests.console.operating import Operator, operating
from tests.console.world import SENT, RecordingLink, World
from tui.screens.campaign import CampaignScreen
from tui.screens.editor import EditorScreen, LetterArea
from tui.screens.recipient import RecipientScreen
from tui.screens.sequence_step import SequenceStepScreen
from tui.screens.step_new import NewStepScreen

STEPS = [
    {
        "subject": "Again, {{ first_name }}",
        "text": "Still there?",
        "wait": "3 business days",
        "conditions": ["no_reply"],
    },
    {"subject": "Last", "text": "Bye", "wait": "36h"},
]
TO_STEPS = ("2", "enter", "tab", "tab", "tab", "tab")


def sequence(world: World, *, start: bool = False) -> None:
    world.call(
        "campaign.new", name="letters", account="smtp-eu-1", subject="Hello {{ first_name }}", text="Hi",
        seed=7, steps=STEPS,
    )  # fmt: skip
    world.people("letters", ["ana@example.org", "bo@example.org"], first_name="Ana")
    if start:
        world.call("campaign.live", name="letters")
        world.call("campaign.start", name="letters")
        world.send("smtp-eu-1", [SENT, SENT])
        world.run(world.store.settle())


async def on_step(operator: Operator, number: int) -> SequenceStepScreen:
    await operator.on_campaign()
    await operator.open(CampaignScreen, "enter")
    await operator.press("tab", "tab", "tab", "tab")
    await operator.sees("[steps]")
    await operator.row(step=number)
    screen = await operator.open(SequenceStepScreen, "enter")
    assert isinstance(screen, SequenceStepScreen)
    return screen


async def test_wait_conditions_and_text_of_a_further_step_are_changed_by_keys(fresh: World) -> None:
    async with operating(fresh, sequence) as operator:
        await on_step(operator, 2)
        await operator.choose("wait")
        await operator.says("2 days")
        await operator.told("ok: changed the steps of letters")
        await operator.choose("conditions")
        await operator.says("no_reply, no_bounce")
        await operator.until(
            lambda: operator.campaign("letters")["steps"][1]["conditions"] == ["no_reply", "no_bounce"]
        )
        await operator.choose("text")
        await operator.open(EditorScreen)
        area = operator.view.query_one(LetterArea)
        assert area.text.startswith("Subject: Again, {{ first_name }}")
        area.text = "Subject: Once more\n\nAre you there?\n"
        await operator.press("escape")
        await operator.answer("y")
        await operator.until(lambda: operator.campaign("letters")["steps"][1]["subject"] == "Once more")
        steps = operator.campaign("letters")["steps"]
        assert steps[1]["wait"] == {"duration": 2 * 86_400_000_000}
        assert [step["subject"] for step in steps] == ["Hello {{ first_name }}", "Once more", "Last"]


async def test_a_mistake_is_told_and_changes_nothing(fresh: World) -> None:
    async with operating(fresh, sequence) as operator:
        await on_step(operator, 3)
        before = operator.campaign("letters")["steps"]
        await operator.choose("wait")
        await operator.says("soon")
        await operator.told("step 3: wait: 'soon' is no time to wait")
        await operator.choose("conditions")
        await operator.says("accepted")
        await operator.told("no step before it is an invitation")
        assert operator.campaign("letters")["steps"] == before


def alone(world: World) -> None:
    """A draft of one message."""
    world.call("campaign.new", name="letters", account="smtp-eu-1", subject="Hello {{ first_name }}", text="Hi", seed=7)
    world.people("letters", ["ana@example.org"], first_name="Ana")


async def on_steps(operator: Operator) -> None:
    await operator.on_campaign()
    await operator.open(CampaignScreen, "enter")
    await operator.press("tab", "tab", "tab", "tab")
    await operator.sees("[steps]")


async def write(operator: Operator, text: str) -> None:
    """Write the message of an open editor, and keep it."""
    await operator.open(NewStepScreen)
    operator.view.query_one(LetterArea).text = text
    await operator.press("escape")
    await operator.answer("y")


def subjects(operator: Operator) -> list[str]:
    return [step["subject"] for step in operator.campaign("letters")["steps"]]


async def test_a_message_is_added_to_a_draft_and_taken_out_again_by_keys(fresh: World) -> None:
    async with operating(fresh, alone) as operator:
        await on_steps(operator)
        await operator.press("A")
        await write(operator, "Subject: Again\n\nStill there?\n")
        await operator.until(lambda: isinstance(operator.app.screen, SequenceStepScreen))
        await operator.told("ok: changed the steps of letters")
        await operator.sees("3d")
        assert subjects(operator) == ["Hello {{ first_name }}", "Again"]
        await operator.press("X")
        assert "it says   Again" in await operator.answer("y")
        await operator.until(lambda: subjects(operator) == ["Hello {{ first_name }}"])
        await operator.sees("step 2 was taken out")
        await operator.press("z")
        await operator.answer("y")
        await operator.until(lambda: subjects(operator) == ["Hello {{ first_name }}", "Again"])


async def test_a_message_is_added_and_taken_out_by_a_line(fresh: World) -> None:
    async with operating(fresh, sequence) as operator:
        await operator.press(":")
        await operator.says("campaign step add letters --at 2")
        await write(operator, "Subject: Between\n\nFirst this\n")
        await operator.until(lambda: len(subjects(operator)) == 4)
        assert subjects(operator)[1] == "Between"
        await operator.press(":")
        await operator.says("campaign step remove letters 3")
        await operator.answer("y")
        await operator.until(lambda: subjects(operator) == ["Hello {{ first_name }}", "Between", "Last"])


async def test_what_cannot_be_added_or_taken_out_says_why(fresh: World) -> None:
    async with operating(fresh, sequence) as operator:
        await on_steps(operator)
        await operator.press("X")
        await operator.told("the first message is the campaign's own")
        await operator.press(":")
        await operator.says("campaign step remove letters 9")
        await operator.told("letters has no step 9")
        await operator.press("A")
        await operator.open(NewStepScreen)
        operator.view.query_one(LetterArea).text = "Subject: Nothing to say\n\n"
        await operator.press("escape")
        assert "keep it" not in await operator.answer("d")
        assert len(subjects(operator)) == 3


async def test_a_message_behind_what_was_sent_is_asked_about(fresh: World) -> None:
    async with operating(fresh, lambda world: sequence(world, start=True)) as operator:
        await on_steps(operator)
        await operator.press("p")
        await operator.until(lambda: operator.campaign("letters")["state"] == "paused")
        await operator.press("A")
        await write(operator, "Subject: At last\n\nOne more\n")
        assert "whoever has had step 3 gets it too" in await operator.answer("n")
        await operator.told("nothing was added")
        assert len(subjects(operator)) == 3


async def test_a_person_shows_every_step_and_what_comes_next(fresh: World) -> None:
    async with operating(fresh, lambda world: sequence(world, start=True)) as operator:
        # The start lies in the past: what was to come in three business days leaves at once, the last step waits.
        await operator.until(lambda: len(operator.rows("SELECT id FROM jobs")) == 6)
        await operator.on_campaign()
        await operator.open(CampaignScreen, "enter")
        await operator.press("r", "g")
        await operator.open(RecipientScreen, "enter")
        await operator.sees("nothing: it is the last step")
        await operator.sees("step 1 of 3, at the start: Hello")
        await operator.sees("step 2 of 3, after 3 business days")
        await operator.press("G")
        await operator.sees("step 3 of 3, after 1d12h: Last")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("view", "keys"), [("draft", ("j",)), ("new", ("A",))])
def test_steps_of_a_draft_drawn(
    world: World, link: RecordingLink, snap_compare: Compare, view: str, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    sequence(world)
    assert snap_compare(console(world, link), terminal_size=size, run_before=walk(*TO_STEPS, *keys)), view


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("view", "keys"), [("steps", ()), ("step", ("j", "enter"))])
def test_steps_drawn(
    world: World, link: RecordingLink, snap_compare: Compare, view: str, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    sequence(world, start=True)
    assert snap_compare(console(world, link), terminal_size=size, run_before=walk(*TO_STEPS, *keys)), view
