"""Asks a world why its jobs and campaigns do not run, as a console beside its engine would."""

from __future__ import annotations

from run_world import World

from engine.explain.asking import Asking
from engine.explain.facts import EngineFacts
from engine.explain.model import Explanation
from storage.reader import Reader


def asking(world: World, reader: Reader, now: int) -> Asking:
    status = world.engine.status() if world.running else {}
    paused = bool(reader.engine()["paused"])
    return Asking(reader, now, EngineFacts.told(status, runs=world.running, paused=paused))


def ask(world: World, job_id: int) -> Explanation:
    return world.read(lambda reader: asking(world, reader, world.clock.now()).job(job_id))


def ask_campaign(world: World, name: str = "c") -> Explanation:
    return world.read(lambda reader: asking(world, reader, world.clock.now()).campaign(name))
