"""`paceline account`: list, add, test."""

from __future__ import annotations

from typing import Any

import click

from engine.accounts import Account, OutboxAccount, SmtpAccount
from engine.unipile_account import WARNING, UnipileAccount
from engine.webhook_account import WebhookAccount
from storage.errors import PacelineError, UsageError
from storage.lock import read_holder
from storage.model import SECOND
from tui.cli.campaign_run import tell
from tui.cli.output import Json, emit, out, say, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb


@click.group(
    "account",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.account:list_", "Every account of the configuration."),
        "add": Lazy("tui.cli.account:add", "Append an account to the configuration."),
        "test": Lazy("tui.cli.account:test", "Connect and log in, send nothing."),
    },
)
def account() -> None:
    """Who sends: accounts stand in paceline.toml only, their secrets by reference only."""


def _json(found: Account) -> Json:
    data: Json = {
        "account": found.name,
        "channel": found.channel,
        "from": found.sender,
        "from_name": found.mail.from_name if found.mail else "",
        "concurrency": found.concurrency,
        "min_gap_seconds": found.min_gap / SECOND,
        "caps": [str(cap) for cap in found.ceilings],
        "preset": found.preset,
    }
    if isinstance(found, SmtpAccount):
        secret = found.password.describe() if found.password else None
        data |= {
            "host": found.host,
            "port": found.server_port,
            "tls": found.tls,
            "username": found.username,
            "password": secret,
        }
    elif isinstance(found, UnipileAccount):
        data |= {
            "url": found.url,
            "account_id": found.account_id,
            "plan": found.plan,
            "note_limit": found.most_characters,
            "look_ups": str(found.look_up_cap),
            "password": found.api_key.describe(),
        }
    elif isinstance(found, WebhookAccount):
        data |= {
            "url": found.endpoint.shown,
            "method": found.method,
            "success": found.success.model_dump(exclude_none=True),
            "idempotent": found.idempotent,
            "allow_private": found.allow_private,
            "secret": found.secret.describe() if found.secret else None,
            "password": found.token.describe() if found.token else None,
        }
    elif isinstance(found, OutboxAccount):
        data["folder"] = str(found.folder)
    return data


def _place(row: Json) -> str:
    """Where an account's messages go, in one cell."""
    if "host" in row:
        return f"{row['host']}:{row['port']} ({row['tls']})"
    if "account_id" in row:
        return f"{row['account_id']} at {row['url']}"
    return row.get("folder") or f"{row['method']} {row['url']}"


@click.command("list", cls=Verb)
@click.pass_obj
def list_(session: Session) -> None:
    """Every account of the configuration; never a secret, only where it stands."""
    config = session.config()
    for warning in config.warnings:
        say(f"warning: {warning}")
    rows = [_json(found) for _, found in sorted(config.accounts.items())]
    if session.json:
        emit({"count": len(rows), "accounts": rows})
        return
    shown = [
        (
            row["account"], row["channel"], row["from"], _place(row),
            row["concurrency"], ", ".join(row["caps"]),
            ", ".join(filter(None, (row.get("password"), row.get("secret")))),
        )
        for row in rows
    ]  # fmt: skip
    titles = ("account", "channel", "from", "to", "at once", "caps", "secret")
    table(titles, shown, empty="no account: paceline account add --help")


@click.command("add", cls=Change)
@click.argument("name")
@click.option("--channel", type=click.Choice(["smtp", "unipile", "webhook", "outbox"]), required=True)
@click.option("--from", "from_address", metavar="ADDRESS", help="The sender's address; every mail account has one.")
@click.option("--from-name", help="The sender's shown name.")
@click.option("--reply-to", metavar="ADDRESS")
@click.option("--preset", help="Limits of a provider: gmail, workspace, yahoo, cold, linkedin-free, linkedin.")
@click.option("--host")
@click.option("--port", type=int)
@click.option("--tls", help="starttls (default), implicit, opportunistic or none.")
@click.option("--username")
@click.option("--url", help="The service's address (unipile), or the receiver's (webhook).")
@click.option("--account-id", metavar="ID", help="unipile: what the service calls the LinkedIn account.")
@click.option("--plan", type=click.Choice(["free", "paid"]), help="unipile: the LinkedIn plan; paid unless told.")
@click.option(
    "--password-env", metavar="NAME", help="Password, access key or token stand in this environment variable."
)
@click.option("--password-file", metavar="PATH", help="Password, access key or token stand in this file.")
@click.option("--password-keyring", metavar="SERVICE/USER", help="Password, access key or token stand in the keyring.")
@click.option("--password-command", metavar="COMMAND", help="This command prints password, access key or token.")
@click.option("--secret-env", metavar="NAME", help="webhook: what signs a body stands in this environment variable.")
@click.option("--secret-file", metavar="PATH", help="webhook: ... in this file.")
@click.option("--secret-keyring", metavar="SERVICE/USER", help="webhook: ... in the keyring.")
@click.option("--secret-command", metavar="COMMAND", help="webhook: ... is printed by this command.")
@click.option("--method", type=click.Choice(["POST", "PUT"]), help="webhook: POST unless told.")
@click.option("--token-header", metavar="NAME", help="webhook: the token's header, Authorization unless told.")
@click.option("--success", metavar="STATUSES", help="webhook: statuses of success, such as 200-299 or 200,202.")
@click.option(
    "--success-pointer", metavar="POINTER", help="webhook: this value of the answer must be true, such as /ok."
)
@click.option("--idempotent", is_flag=True, default=None, help="webhook: the receiver honours Idempotency-Key.")
@click.option("--allow-private", is_flag=True, default=None, help="webhook: the receiver stands in your own network.")
@click.option("--folder", help="outbox: where the .eml files go.")
@click.option("--concurrency", type=int, help="Messages under way at once.")
@click.option("--min-gap", help="Least time between two starts, such as 2s.")
@click.option("--rate", help="Such as 60/min.")
@click.option("--daily-cap", type=int, help="At most so many in any 24 hours.")
@click.pass_obj
def add(session: Session, /, name: str, **options: Any) -> None:
    """Append the account NAME to the configuration. A running engine reads it at once."""
    from engine.config import add_account

    session.refuse_read_only()
    channel = options["channel"]
    invites = channel == "unipile"
    values = {key: value for key, value in options.items() if not key.startswith(("password_", "secret_", "success"))}
    values[{"unipile": "api_key", "webhook": "token"}.get(channel, "password")] = _reference(options, "password")
    values["secret"] = _reference(options, "secret")
    values["success"] = _success(options)
    path = session.config_file
    first = invites and not any(found.channel == "unipile" for found in session.config().accounts.values())
    add_account(path, name, values)
    if first:
        say(f"warning: {WARNING}")
    reloaded = _reload(session)
    if session.json:
        emit({"success": True, "account": name, "config": str(path), "reloaded": reloaded})
        return
    out(f"account {name} added to {path}" + ("; the engine has read it" if reloaded else ""))
    say(f"next: paceline account test {name}")


def _reference(options: dict[str, Any], kind: str) -> Json | None:
    """Where the password (or the secret) stands, as in the file. Raises UsageError for two places."""
    import shlex

    begin = f"{kind}_"
    given = {
        key.removeprefix(begin): value for key, value in options.items() if key.startswith(begin) and value is not None
    }
    if len(given) > 1:
        raise UsageError(f"the {kind} can stand in one place only", hint=f"give one --{kind}-... option")
    if "command" in given:
        given["command"] = shlex.split(given["command"])
    return given or None


def _success(options: dict[str, Any]) -> Json | None:
    """The table of what counts as success, as in the file; None: the usual."""
    statuses = [part.strip() for part in (options["success"] or "").split(",") if part.strip()]
    given = {"statuses": statuses or None, "pointer": options["success_pointer"]}
    return {key: value for key, value in given.items() if value is not None} or None


def _reload(session: Session) -> bool:
    """Tell a running engine; a failure is told, the account is in the file already."""
    holder = read_holder(session.db)
    if holder is None or holder.role == "command":
        return False
    try:
        session.call("engine.reload")
    except PacelineError as error:
        say(f"the engine could not read it: {error.message}")
        return False
    return True


@click.command("test", cls=Change)
@click.argument("name")
@click.pass_obj
def test(session: Session, name: str) -> None:
    """Connect and log in with the account NAME, send nothing. A running engine does it, else this command."""
    tell(session, session.call("account.test", {"name": name}))
