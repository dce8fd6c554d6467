"""The root command: where the store and the configuration are, which noun is meant, and the one error handler."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click

from storage import __version__
from storage.errors import PacelineError, UsageError
from tui.cli.output import emit, say
from tui.cli.session import Session
from tui.cli.verbs import Lazy, LazyGroup

NOUNS = {
    "init": Lazy("tui.cli.init:init", "Make a configuration and a database."),
    "demo": Lazy("tui.cli.demo:demo", "Run an example campaign against a local relay."),
    "send": Lazy("tui.cli.send:send", "Import a file, make a campaign and start it, in one act."),
    "engine": Lazy("tui.cli.engine:engine", "Run and control the engine."),
    "account": Lazy("tui.cli.account:account", "Sending identities: list, add, test."),
    "queue": Lazy("tui.cli.queue:queue", "Queues: list, show, pause, resume, probe."),
    "alarm": Lazy("tui.cli.alarm:alarm", "Alarms: what stopped or slowed down by itself; list, acknowledge."),
    "campaign": Lazy("tui.cli.campaign:campaign", "Campaigns: make, check, start, control, export."),
    "recipients": Lazy("tui.cli.recipients:recipients", "People: import from a file, edit one, take an import back."),
    "suppression": Lazy("tui.cli.suppression:suppression", "Who must not be contacted: add, list, import, remove."),
    "unsubscribe": Lazy("tui.cli.unsubscribe:unsubscribe", "Take in who left, by the token of a link or a web log."),
    "job": Lazy("tui.cli.job:job", "Jobs: list, show, retry, cancel, undo; why they failed."),
    "batch": Lazy("tui.cli.batch:batch", "Batches: list, show."),
    "pipeline": Lazy("tui.cli.pipeline:pipeline", "Jobs made of stages: list, run, show, history."),
    "approval": Lazy("tui.cli.approval:approval", "Messages that wait for a yes: list, show, approve, reject, edit."),
    "schedule": Lazy("tui.cli.schedule:schedule", "Schedules: background jobs that recur, by cron in a time zone."),
    "inbox": Lazy("tui.cli.inbox:inbox", "What came back: bounces, complaints, replies; read, list, show."),
    "events": Lazy("tui.cli.events:events", "Audit and log."),
    "export": Lazy("tui.cli.export:export", "Any table as CSV, JSONL or XLSX."),
    "db": Lazy("tui.cli.db:db", "Care of the database: backup, restore, check, recount."),
    "keys": Lazy("tui.cli.keys:keys", "Keys of the console: list them with their ids."),
    "doctor": Lazy("tui.cli.doctor:doctor", "Say what is wrong and what to do about it."),
}


@click.group(
    cls=LazyGroup,
    lazy=NOUNS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--db", "database", type=click.Path(path_type=Path), help="The database [PACELINE_DB].")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="The configuration [PACELINE_CONFIG].")
@click.option("--read-only", is_flag=True, help="Refuse every change.")
@click.option("--mouse", is_flag=True, help="Let the console take the terminal's mouse.")
@click.version_option(__version__, "--version", "-V", message="paceline %(version)s")
@click.pass_context
def cli(ctx: click.Context, database: Path | None, config_path: Path | None, read_only: bool, mouse: bool) -> int:
    """Paceline: queue, pace, send, retry and account for every message of a campaign.

    Without a command it opens the console.
    """
    ctx.obj = Session(database, config_path, read_only, mouse)
    return open_console(ctx.obj) if ctx.invoked_subcommand is None else 0


def open_console(session: Session) -> int:
    """Open the console; returns its exit code. Raises UsageError where no console can be shown, StoreError."""
    from tui.terminal import check_terminal

    check_terminal()
    from storage.place import check_place

    check_place(session.db, create=False)
    # What is loaded lasts: looking through it for garbage took a tenth of a start. `tui.starting` enables it again.
    gc.disable()
    from tui.app import run_console

    return run_console(session.db, session.config_file, read_only=session.read_only, mouse=session.mouse)


def run(argv: list[str]) -> int:
    """Run one command line; returns the exit code. Whatever goes wrong ends as one sentence."""
    as_json = "--json" in argv
    code = 0
    try:
        code = _run(argv, as_json)
        sys.stdout.flush()
    except OSError as error:
        # The interpreter's own flush at the end must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code or isinstance(error, BrokenPipeError):
            return code  # said already; or whoever read our output has enough
        return _report(PacelineError(f"the output could not be written: {error.strerror}"), as_json=False)
    return code


def _run(argv: list[str], as_json: bool) -> int:
    try:
        # A verb's own exit code is what it returns; None is 0.
        result = cli.main(argv, prog_name="paceline", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return error.exit_code
    except click.ClickException as error:
        hint = f"see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        return _report(UsageError(error.format_message(), hint=hint), as_json)
    except PacelineError as error:
        return _report(error, as_json)
    except (click.Abort, KeyboardInterrupt):
        say("paceline: interrupted")
        return 130
    except SystemExit:
        # Click's own answer to a closed pipe, with exit code 1; nothing else ends it so without its standalone mode.
        raise BrokenPipeError from None
    except BrokenPipeError:
        raise
    except Exception as error:
        return _unexpected(error, as_json)


def _report(error: PacelineError, as_json: bool) -> int:
    if as_json:
        emit({"success": False, "error": {"code": error.code, "message": error.message, "hint": error.hint}})
    say(f"paceline: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
    return error.exit_code


def _unexpected(error: Exception, as_json: bool) -> int:
    from engine.channels.channel import ChannelError

    if isinstance(error, ChannelError):
        return _report(PacelineError(str(error), hint="check the account: paceline account test NAME"), as_json)
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else ""
        return _report(PacelineError(f"{named}{error.strerror.lower()}"), as_json)
    if os.environ.get("PACELINE_DEBUG"):
        raise error
    hint = "this is a bug in Paceline: PACELINE_DEBUG=1 shows where it happened"
    return _report(PacelineError(f"an unexpected {type(error).__name__} ended this command", hint=hint), as_json)
