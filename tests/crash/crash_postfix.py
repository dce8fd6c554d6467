"""Debian's Postfix as the receiver: a whole mail server in a folder of its own on a loopback port.

Its record is what a recipient would find: the files in a maildir. Nothing of the machine's own Postfix is read or
touched, and nothing leaves: every address that is not of the test's domains is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.crash_sink import free_port, wait_until_it_listens
from tests.crash.crash_world import wait_for

PROGRAM = Path("/usr/sbin/postfix")
QUEUES = ("incoming", "active", "deferred")
"""In the order in which a message passes them: looked at in this order none on its way is overlooked."""
LONGEST_LIFE = 7_200
"""Seconds after which the server ends by itself, should nobody be left to end it."""

_DELIVERED_TO = re.compile(rb"^Delivered-To: ([^\r\n]+)", re.MULTILINE)

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = receiver.example.net
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
virtual_mailbox_domains = regexp:{folder}/etc/domains
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unauth_destination
default_transport = error:nothing leaves this test
relay_transport = error:nothing leaves this test
"""

# postconf(5): service, type, private, unprivileged, chroot, wakeup, maxproc, command.
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
virtual unix - n n - - virtual
error unix - - n - - error
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def why_not() -> str:
    """The sentence that says why Postfix cannot be run here; "" when it can."""
    if not PROGRAM.exists():
        return f"no {PROGRAM}: Debian's package postfix has it"
    if os.geteuid() != 0:
        return "Postfix's master runs only as root, because its parts give up different rights: become root to see it"
    return ""


@dataclass(frozen=True)
class Postfix:
    """`folder` holds its configuration, queue, log and mail."""

    port: int
    folder: Path
    _known: dict[str, str] = field(default_factory=dict)

    def accepted(self, domain: str) -> Counter[str]:
        """Files delivered to each person, once the queue has been worked off."""
        wait_for(lambda: not self.queued(), 60.0, f"postfix still holds {self.queued()} messages:\n{self.log_end()}")
        inbox = self._inbox()
        for name in self._names() - self._known.keys():
            found = _DELIVERED_TO.search((inbox / name).read_bytes())
            assert found is not None, f"postfix wrote a file for nobody: {name}"
            self._known[name] = found[1].decode()
        return Counter(who for who in self._known.values() if who.endswith(f"@{domain}"))

    def size(self) -> int:
        """How many files were delivered."""
        return len(self._names())

    def queued(self) -> int:
        """Messages on their way through its queues. One that it is just accepting counts: its file is there."""
        return sum(len(files) for queue in QUEUES for _, _, files in os.walk(self.folder / "queue" / queue))

    def log_end(self) -> str:
        log = self.folder / "log"
        return log.read_text("utf-8", "replace")[-2_000:] if log.exists() else "(it wrote no log)"

    def _inbox(self) -> Path:
        return self.folder / "mail" / "all" / "new"

    def _names(self) -> set[str]:
        inbox = self._inbox()
        return {path.name for path in inbox.iterdir()} if inbox.is_dir() else set()


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """Postfix on a free loopback port until the block ends. Call only where `why_not` has nothing to say."""
    with tempfile.TemporaryDirectory(prefix="paceline-postfix-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        _configure(folder, port)
        etc = folder / "etc"
        # Makes the queue's folders with their owners and rights.
        made = subprocess.run([PROGRAM, "-c", etc, "check"], capture_output=True, text=True, check=False, timeout=60)
        assert made.returncode == 0, f"postfix refuses its configuration: {made.stderr}"
        daemons = subprocess.run(
            ["/usr/sbin/postconf", "-c", etc, "-h", "daemon_directory"], capture_output=True, text=True, check=True
        ).stdout.strip()
        # In the foreground, and a session of its own: at its end it ends its whole process group.
        master = subprocess.Popen(
            [Path(daemons) / "master", "-c", etc, "-d", "-e", str(LONGEST_LIFE)], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        server = Postfix(port, folder)
        try:
            try:
                wait_until_it_listens(port)
            except OSError as error:
                raise AssertionError(
                    f"postfix does not listen (master: {master.poll()}):\n{server.log_end()}"
                ) from error
            yield server
        finally:
            master.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                master.wait(10)
            # Whatever of its parts has not ended yet must not write into a folder that is being removed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(master.pid, signal.SIGKILL)
            master.wait()


def _configure(folder: Path, port: int) -> None:
    folder.chmod(0o755)  # its parts run as other users
    for part in ("etc", "queue", "data", "mail"):
        (folder / part).mkdir()
    shutil.chown(folder / "data", "postfix")
    shutil.chown(folder / "mail", "nobody", "nogroup")
    mail = (folder / "mail").stat()
    etc = folder / "etc"
    (etc / "main.cf").write_text(_MAIN.format(folder=folder, uid=mail.st_uid, gid=mail.st_gid))
    (etc / "master.cf").write_text(_MASTER.format(port=port))
    (etc / "domains").write_text(r"/^[a-z0-9-]+\.example\.org$/ OK" + "\n")
