"""Queues that are sent in the mind together keep their own limits, let nothing arrive too early and lose nobody."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.planning.caps import Cap
from engine.planning.lanes import Lane, Measured, QueueNow, Station, Waiting
from engine.planning.limits import Limits
from engine.planning.network import simulate
from engine.planning.sharing import Sharing
from storage.model import DAY, HOUR, MINUTE, SECOND

START = 1_774_602_000 * SECOND
FIRST, SECOND_STEP, LAST = 1, 2, 3

limits = st.builds(
    Limits,
    concurrency=st.integers(1, 3),
    min_gap=st.sampled_from([0, 0, 10 * MINUTE]),
    caps=st.sampled_from([(), (Cap(4, DAY, True),), (Cap(3, HOUR),)]),
)


def jobs(n: int, gap: int, base: int) -> tuple[Waiting, ...]:
    return tuple(Waiting(START + i * gap, base + i, person=base + i, step=FIRST) for i in range(n))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(limits, min_size=2, max_size=3),
    st.integers(0, 12),
    st.sampled_from([0, MINUTE, 3 * HOUR]),
    st.sampled_from([0, 30 * SECOND, 5 * HOUR]),
    st.lists(st.integers(0, 20 * MINUTE), min_size=1, max_size=3),
)
def test_each_step_waits_for_the_one_before_it_whatever_queue_sends_it(
    queues: Sequence[Limits], people: int, gap: int, wait: int, durations: list[int]
) -> None:
    ended: dict[tuple[int, int], int] = {}

    def follow(queue_id: int, job: Waiting, at: int, accepted: bool) -> tuple[int, Waiting] | None:
        assert accepted
        ended[job.person, job.step] = at
        if job.step == LAST:
            return None
        following = Waiting(at + wait, job.id, person=job.person, step=job.step + 1)
        return (queue_id + job.person) % len(queues), following

    seen = Measured(tuple(durations))
    stations = [
        Station(QueueNow(one), [Lane("c", jobs(people, gap, number * 100), follow=follow)], seen, id=number)
        for number, one in enumerate(queues)
    ]
    runs = simulate(stations, now=START, rng=random.Random(1))
    everybody = people * len(queues)
    assert sum(len(run.lanes[0].sent) for run in runs) == 3 * everybody == len(ended)
    assert sum(run.lanes[0].followed for run in runs) == 2 * everybody
    for (person, step), at in ended.items():
        assert step == FIRST or at >= ended[person, step - 1] + wait
    for one, run in zip(queues, runs, strict=True):
        begun = run.lanes[0].begun
        assert begun == sorted(begun)
        assert all(late - early >= one.min_gap for early, late in itertools.pairwise(begun))
        for cap in one.caps:
            if not cap.calendar:
                assert all(late - early >= cap.period for early, late in zip(begun, begun[cap.n :], strict=False))
            else:
                assert max(sum(at // DAY == day for at in begun) for day in {at // DAY for at in begun} or {0}) <= cap.n


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 8), st.sampled_from([10 * MINUTE, 2 * HOUR]))
def test_what_is_shared_keeps_the_caps_of_both_and_is_never_later_for_it(
    people: int, narrow: int, wide: int, gap: int
) -> None:
    def anew(queue_id: int, moved: Sequence[Waiting], start: int, before: int, now: int) -> Iterable[Waiting]:
        return (job._replace(due=max(job.due, start)) for job in moved if max(job.due, start) < before)

    def sent(sharing: Sharing | None) -> list[list[int]]:
        stations = [
            Station(
                QueueNow(Limits(caps=(Cap(n, DAY, True),))),
                [Lane("c", jobs(people, gap, number * 100), sharing=sharing)],
                id=number,
            )
            for number, n in enumerate((narrow, wide))
        ]
        return [run.lanes[0].sent for run in simulate(stations, now=START, rng=random.Random(1))]

    apart, shared = sent(None), sent(Sharing({0: [1], 1: [0]}, frozenset({FIRST}), anew))
    assert sum(map(len, shared)) == sum(map(len, apart)) == 2 * people
    for times, n in zip(shared, (narrow, wide), strict=True):
        assert all(sum(at // DAY == day for at in times) <= n for day in {at // DAY for at in times})
    assert max(max(times, default=0) for times in shared) <= max(max(times) for times in apart)
