"""A payment whose engine is killed while the gateway thinks: the real program, SIGKILL, and the gateway's ledger."""

from __future__ import annotations

import json
import signal
from threading import Event

from tests.cli.conftest import Home
from tests.support.payment_gateway import Gateway
from tests.support.webhook_server import Exchange, Play, in_a_thread

ORDER = {"amount": "149.00", "currency": "EUR", "order_id": "A-1", "method": "pm_7f3"}


def test_a_killed_engine_charges_nobody_twice(home: Home) -> None:
    gateway, charged = Gateway(), Event()

    async def think(exchange: Exchange) -> None:
        charged.set()
        await exchange.over.wait()

    with in_a_thread(gateway.charging(Play(think)), gateway.charging()) as server:
        options = f'url = "http://127.0.0.1:{server.port}/charges"\nallow_private = true\n'
        home.config.write_text(f"{home.config.read_text()}\n[jobs.kinds.process_payment.options]\n{options}")
        job = home("job", "add", "process_payment", "--payload", json.dumps(ORDER), "--json").json["job_id"]
        engine = home.start("engine", "run")
        assert charged.wait(60)
        engine.send_signal(signal.SIGKILL)
        engine.communicate(timeout=60)

        assert home.program("engine", "run", "--until-idle").code == 0
        shown = home("job", "show", job, "--json").json
        assert shown["state"] == "uncertain"
        assert gateway.charges == [("A-1", "149.00")], "nothing tries a payment again by itself"

        assert home("job", "resolve", job, "--again", "--yes").code == 0
        assert home.program("engine", "run", "--until-idle").code == 0
        assert home("job", "show", job, "--json").json["state"] == "completed"
        assert gateway.charges == [("A-1", "149.00")], "the same key: the gateway knows it"
        assert len(set(gateway.keys)) == 1
