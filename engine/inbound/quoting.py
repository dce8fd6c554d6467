"""Which words of a mail are its writer's own, and which he quotes."""

from __future__ import annotations

import re

_ATTRIBUTION = re.compile(
    r"\s*(?:on\b.{4,200}\bwrote|am\b.{4,200}\bschrieb.{0,120}|le\b.{4,200}\ba [ée]crit|el\b.{4,200}\bescribi[óo]"
    r"|il\b.{4,200}\bha scritto|op\b.{4,200}\bschreef.{0,120}|em\b.{4,200}\bescreveu|den\b.{4,200}\bskrev.{0,120}"
    r"|w dniu\b.{4,200}\bnapisa.{0,60}|.{4,200}\bнаписал\(?а?\)?|.{4,200}\bpisze|dne\b.{4,200}\bnapsal.{0,60}"
    r"|\d{4}[年/-].{4,200}(?:写道|寫道|のメール|wrote)|.{2,120}<[^<>\s]+@[^<>\s]+>\s*(?:wrote|schrieb))\s*[::]?\s*",
    re.IGNORECASE,
)
_DIVIDER = re.compile(
    r"\s*[-_=*>]{2,}\s*(?:original|forwarded|begin forwarded|urspr|weitergeleitet|message d'origine|mensaje original"
    r"|messaggio originale|oorspronkelijk|mensagem original|原始|元の|转发|originalmeddelande|исходное).{0,60}",
    re.IGNORECASE,
)
_SENT_LINE = re.compile(
    r"\s*\*?(?:sent|gesendet|date|datum|envoy[ée]|enviado|inviato|verzonden|skickat|送信日時|发送时间)\*?\s*[::].+",
    re.IGNORECASE,
)
_FROM_LINE = re.compile(r"\s*\*?(?:from|von|de|da|van|fr[åa]n|от|差出人|发件人)\*?\s*[::]\s*\S.*", re.IGNORECASE)
_SIGNATURE = re.compile(r"-- ?")


def own_words(text: str) -> str:
    """The text without quoted lines, quoted mails and the signature; blank lines squeezed."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept: list[str] = []
    for number, line in enumerate(lines):
        if line.lstrip().startswith((">", "|")):
            continue
        if _DIVIDER.fullmatch(line) or _starts_quoted_mail(lines, number):
            break
        if _is_attribution(lines, number):
            if not _next_is_quoted(lines, number):
                break
            continue
        if _SIGNATURE.fullmatch(line) and any(word.strip() for word in kept):
            break
        kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _is_attribution(lines: list[str], number: int) -> bool:
    if len(lines[number]) > 400 or not lines[number].strip():
        return False
    if _ATTRIBUTION.fullmatch(lines[number]):
        return True
    # Wrapped over two or three lines by the writer's program.
    joined = lines[number]
    for further in lines[number + 1 : number + 3]:
        if not further.strip() or further.lstrip().startswith(">"):
            break
        joined = f"{joined.strip()} {further.strip()}"
        if joined.rstrip().endswith((":", ":")) and _ATTRIBUTION.fullmatch(joined):
            return True
    return False


def _next_is_quoted(lines: list[str], number: int) -> bool:
    rest = [line for line in lines[number + 1 : number + 8] if line.strip()]
    return any(line.lstrip().startswith(">") for line in rest[:3])


def _starts_quoted_mail(lines: list[str], number: int) -> bool:
    """A block of headers as Outlook writes it above what it answers: From, and soon Sent."""
    if not _FROM_LINE.fullmatch(lines[number][:400]):
        return False
    return any(_SENT_LINE.fullmatch(line[:400]) for line in lines[number + 1 : number + 5])
