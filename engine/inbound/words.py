"""The vocabulary of mail systems and of automatic answers, in the languages that they usually speak.

Every entry is a phrase that a program writes in its subject or first sentences; single words of everyday use are
left out, for a person writes them too.
"""

from __future__ import annotations

import re

DAEMON_USER = re.compile(
    r"(?:.*[._-])?(?:mail(?:er)?[-_.]?daemon|maildelivery|mail[-_.]?delivery.*|post[-_]?master|mdaemon|"
    r"mail(?:er)?[-_.]?(?:system|agent|administrator)|delivery[-_.]?(?:system|status|reports?|notif\w*)|"
    r"bounces?[-_.]?(?:handler|notif\w*)|system[-_.]?administrator|internet[-_.]?mail|mailsweeper|"
    r"microsoftexchange[\da-f]+)",
    re.IGNORECASE,
)
DAEMON_NAME = re.compile(
    r"mailer[-_ ]?daemon|mail deliver(?:y|er)? (?:sub)?system|mail delivery (?:service|agent)|postmaster"
    r"|(?:system|mail|e-?mail|exchange|network) administrator|delivery (?:subsystem|system|status)"
    r"|microsoft outlook$|mail (?:system|router)\b|internet mail|smtp (?:daemon|server|gateway)|systemadministrator"
    r"|mail transfer|mailadministrator|undelivered",
    re.IGNORECASE,
)

_BOUNCE_SUBJECTS = (
    r"undeliver(?:ed|able)\b|\bnon[- ]?deliver(?:y|able|ed)\b",
    r"\bdelivery (?:status|failure|failed|has failed|report|error|problem|unsuccessful|incomplete)\b",
    r"\b(?:mail|message|e-?mail|transient|permanent) delivery (?:failed|failure|problem|error|system|report|status)",
    r"\bfailure (?:notice|notification|delivery)\b|\bdelivery notification\b|\bnotification of (?:failed|failure)",
    r"\breturned (?:mail|e-?mail|message|to sender)\b|\breturning (?:mail|message)\b|\bmail (?:was )?returned\b",
    r"\b(?:mail|message|e-?mail) (?:could|can|was|has)(?: ?not|n't) (?:be |been )?(?:sent|delivered)",
    r"\b(?:failed|unable) (?:to )?(?:mail|delivery|deliver|send)\b|\bfailed mail\b",
    r"\bmail (?:error|failure|failed)\b|\b(?:rejected|bounced?) (?:mail|message|e-?mail)\b",
    r"\bmessage (?:rejected|refused|undeliverable|not delivered)\b",
    r"\b(?:mailbox|user|recipient) (?:full|unknown|over quota)\b|\bnot deliverable\b",
    r"\bdelivery.{0,20}\bfail(?:ed|ure)\b|\bunzustellbar|\bnicht (?:zugestellt|zustellbar)|\bunzustellbarkeit",
    r"zustellung.{0,20}(?:fehlgeschlagen|nicht)|\bnon[- ]remis|\b[ée]chec (?:de |d'|du )|\bnon distribu",
    r"\bnon d[ée]livr|no (?:se (?:pudo|ha podido)|pudo) entregar|no entregado|error de entrega|correo devuelto",
    r"fallo en la entrega|mancat[ao] (?:recapito|consegna)|impossibile (?:recapitare|consegnare)|non recapitabile",
    r"onbestelbaar|niet (?:bezorgd|afgeleverd)|n[ãa]o (?:foi )?entregue|falha na entrega|devolvid[ao]|niedostarcz",
    r"nie(?:udane)? dor[ęe]cz|недоставлен|не (?:может быть|был[ао]?) доставлен|не доставлено|tilbakelever",
    r"ikke leveres|kunde inte levereras|kan ikke leveres|perille toimittamatta|メールエラー",
    r"配信(?:エラー|不能|失敗)|送信エラー|送信できません|不達|退信|退回|投递失败|無法傳遞|无法送达|전송 ?실패",
    r"배달 ?실패",
)
BOUNCE_SUBJECT = re.compile("|".join(_BOUNCE_SUBJECTS), re.IGNORECASE)

_DELAY_SUBJECTS = (
    r"\bdelivery (?:status notification )?\(?delay(?:ed)?\)?|\bdelayed (?:mail|delivery|message)\b",
    r"\bmail delayed\b",
    r"\bwarning: (?:message|could not|e-?mail|mail).{0,60}\b(?:delayed|still retrying|hours|not (?:been )?delivered)",
    r"\bstill (?:retrying|being retried|queued)|\bmessage (?:still )?(?:delayed|in queue)\b|verz[öo]gert",
    r"retard[ée]e?\b",
)
DELAY_SUBJECT = re.compile("|".join(_DELAY_SUBJECTS), re.IGNORECASE)

_DELAY_WORDS = (
    r"will (?:keep|continue)(?: on)?(?: to)? (?:try|retry|trying|retrying|attempt)",
    r"will be (?:retried|attempted again)|still (?:trying|retrying|being retried)",
    r"no action is required on your part|delivery attempts will continue",
    r"(?:you )?do(?:n't| not) need to (?:re-?send|do anything)|this is (?:only )?a warning message(?: only)?",
    r"warning message only|has not (?:yet )?been delivered (?:yet|after)|not yet been delivered|has been delayed",
    r"message (?:is|was) delayed|will (?:now )?try again (?:for|until|to)|continue retrying|temporarily delayed",
    r"temporary non-critical|will be retried until|wird weiterhin versucht|weitere zustellversuche",
)
DELAY_WORDS = re.compile("|".join(_DELAY_WORDS), re.IGNORECASE)

_BOUNCE_WORDS = (
    r"(?:could|can) ?not (?:be )?(?:deliver(?:ed)?|sent|send|reach(?:ed)?|relay(?:ed)?|transfer)",
    r"(?:couldn't|can't) (?:be )?(?:deliver|send|sent|reach)|was(?:n't| not) (?:be )?(?:able to (?:be )?)?deliver",
    r"(?:was|were|is|am|been) (?:not|un)[ -]?(?:able to|successful|deliver\w*)",
    r"\bun(?:able|successful\w*) to (?:deliver|send|relay|transmit|reach|connect|contact|process|route)",
    r"(?:wasn't|not) able to deliver|did(?:n't| not) reach|not (?:be )?delivered|failed to (?:deliver|send|reach)",
    r"delivery (?:has |to |of |was |is )?.{0,60}fail|delivery (?:errors?|problems?|failures?|failed)",
    r"fail(?:ed|ure) (?:addresses|recipients?|notice|reasons?|delivery)|undeliver(?:able|ed)",
    r"non[- ]?deliver(?:y|able)|permanent(?:ly)? (?:fatal )?(?:error|fail)|returned (?:to|mail|message|email)",
    r"following (?:address|recipient|destination|user|mailbox)",
    r"(?:addresses|recipients?) (?:had|failed|could|did|were|was)",
    r"(?:user|mailbox|recipient|account|address|host|domain)(?: name)? (?:is |was |'\w+' )?"
    r"(?:unknown|invalid|full|not (?:found|known|local|listed|available|valid|exist)|un(?:available|routeable)"
    r"|does(?:n't| not) exist|over quota|disabled|inactive|suspended)",
    r"no such (?:user|mailbox|address|recipient|person|domain|host)",
    r"unknown (?:user|recipient|address|host|domain|mailbox)",
    r"(?:exceed|over)\w* (?:\w+ ){0,3}(?:quota|storage|size|limit)|quota exceeded|mailbox .{0,40}(?:full|exceed)",
    r"disk full|has been (?:rejected|returned|refused|blocked|bounced)",
    r"(?:was|were|been) (?:rejected|refused|bounced)|rejected (?:your|the|by)",
    r"message (?:rejected|refused|returned|bounced)|giv(?:en|ing) up",
    r"error (?:occurred|while) .{0,40}(?:send|deliver)",
    r"remote (?:mail )?(?:server|host|system) (?:said|replied|error|rejected|refused|permanently)|smtp error",
    r"fatal error|nicht (?:zugestellt|zustellbar|übermittelt|erreicht|ausgeliefert)|unzustellbar",
    r"unbekannter (?:empf|benutz)|n'a pas pu [êe]tre|n'a pu [êe]tre|impossible de (?:remettre|livrer)",
    r"[ée]chec de la remise|n'existe pas|pas [ée]t[ée] (?:remis|d[ée]livr)",
    r"no (?:se )?(?:pudo|ha podido|puede) (?:ser )?(?:entrega|envia)|no existe",
    r"impossibile (?:recapitare|consegnare)|non [èe] stato possibile",
    r"kon(?:den)? niet worden (?:bezorgd|afgeleverd)|não (?:foi possível|pôde)|não pode ser entregue",
    r"nie (?:mo[żz]na|mog[łl]a).{0,20}dor[ęe]cz|не (?:может|могло|был[ао]?|удалось).{0,30}достав|не существует",
    r"配信できませんでした|送信できません|届けることができません|送信に失敗|見つかりません|エラー|存在しません",
    r"不明|無法(?:傳遞|送達)|无法(?:投递|送达|发送)|退信|전송(?:하지|할 수)|拒否|できません",
)
BOUNCE_WORDS = re.compile("|".join(_BOUNCE_WORDS), re.IGNORECASE)

FORMAL_WORDS = re.compile(
    r"(?:could not be delivered|was not delivered|did not reach|has failed|failed|undeliverable) (?:to"
    r"|for)? ?the following"
    r"|following (?:recipient|address).{0,40}(?:could not|cannot|failed)|automatically (?:generated|created|sent)",
    re.IGNORECASE,
)
"""Sentences that only a program writes: they tell a bounce that returns nothing of the original."""

_AWAY_SUBJECTS = (
    r"out[- ]of[- ](?:the )?office|\booo\b[ :]|away from (?:the |my )?(?:office|desk|e-?mail)",
    r"on (?:vacation|holiday|annual leave)|vacation (?:message|notice|reply|response|auto\w*)|absence",
    r"\bleave of absence|(?:maternity|parental|sick|annual) leave|abwesen(?:d|heit)\w*",
    r"nicht im (?:büro|haus|dienst)|außer haus|\burlaub|absent[e]?\b|absence du bureau|en cong[ée]s?",
    r"hors du bureau|en vacances|fuera de (?:la )?oficina|ausencia|ausente|de vacaciones|fuori (?:sede|ufficio)",
    r"assente|assenza|in ferie|afwezig\w*|met vakantie|niet aanwezig|ausência|fora do escritório|de férias",
    r"fr[åa]nvaro|frånvarande|semester|fravær\w*|ikke til stede|poissa|lomalla|nieobecno\w*|na urlopie|urlop",
    r"nepř[ií]tom\w*|mimo kancelář|házon kívül|szabadság|вне офиса|отсутств\w*|в отпуске|відсутн|ofis dışında",
    r"εκτός γραφείου|不在|休暇|外出中|休假|外出|出差|부재중|휴가",
)
AWAY_SUBJECT = re.compile("|".join(_AWAY_SUBJECTS), re.IGNORECASE)

_AUTO_SUBJECTS = (
    r"auto(?:matic|mated|matisch)?[- ]?(?:re(?:ply|sponse|sponder)|answer|generated|acknowledge?ment)|^auto\s*:",
    r"autoreply|automatische (?:antwort|e-?mail|nachricht|eingangs)",
    r"automatisch(?:e|er|es)? (?:antwoord|antwort|bericht)|eingangsbest[äa]tigung|r[ée]ponse automatique",
    r"accus[ée] de r[ée]ception|respuesta autom[áa]tica|resposta autom[áa]tica|risposta automatica|autosvar",
    r"automatiskt? svar|automaattinen vastaus|autoodpowied[źz]|automatyczna odpowied[źz]|odpowied[źz] automatyczna",
    r"automatick[áa] odpov[ěe][ďd]|automatikus v[áa]lasz|r[ăa]spuns automat|автоответ|автоматическ\w* ответ",
    r"автоматична відповідь|otomatik yan[ıi]t|αυτόματη απάντηση|自動(?:返信|応答|回覆|回复)|自动(?:回复|答复|回覆)",
    r"자동 ?(?:회신|응답|답장)|thank you for (?:contacting|your (?:e-?mail|message|enquiry|inquiry))",
    r"we(?:'ve| have) received your|\[?ticket ?(?:id|#|no)",
    r"(?:request|case|ticket) (?:has been )?(?:received|created|opened)|confirmation of receipt",
    r"bestätigung ihrer anfrage|confirm (?:your|that you)|verification required|challenge|please verify",
    r"(?:sender|message) verification",
)
AUTO_SUBJECT = re.compile("|".join(_AUTO_SUBJECTS), re.IGNORECASE)

_AWAY_WORDS = (
    r"out of (?:the )?(?:office|country|town)|away from (?:the |my )?(?:office|desk|e-?mail|computer)",
    r"(?:am|be|on|from|for|my) (?:\w+ )?(?:vacation|holidays?|(?:annual|maternity|paternity|parental|sick) leave)",
    r"limited (?:access|email)|(?:no|without|sporadic|intermittent) (?:regular )?access to (?:my )?e-?mail",
    r"(?:be|am) back (?:in|on|at)",
    r"(?:i'?ll|will) (?:be )?(?:return|respond|reply|read|answer).{0,40}"
    r"(?:when|upon|on|once|after) (?:my |i )?(?:return|get back|back)",
    r"(?:will )?be returning|return(?:ing)? (?:to (?:the )?office )?on|currently (?:out|away|unavailable|not in)",
    r"in my absence|nicht im (?:büro|haus|hause|dienst)|im urlaub|abwesen|außer haus",
    r"wieder (?:für sie )?(?:da|erreichbar|im büro)|bin (?:ich )?(?:ab|bis|vom)",
    r"en (?:cong[ée]s?|vacances|déplacement)|absente?\b|de retour|hors du bureau|fuera de la oficina|de vacaciones",
    r"ausente|fuori (?:sede|ufficio)|in ferie|assente|rientro|met vakantie|afwezig|op vakantie|terug op",
    r"fora do escritório|de férias|semester|frånvarande|tillbaka|på ferie|fraværende|tilbake|lomalla|poissa",
    r"urlop\w*|nieobecn|poza biurem|dovolen|nepř[ií]tom|szabads|в отпуске|отсутств|відпуст|izinde|tatil|休暇|不在",
    r"休假|外出|出差|휴가|부재",
)
AWAY_WORDS = re.compile("|".join(_AWAY_WORDS), re.IGNORECASE)

CHALLENGE_WORDS = re.compile(
    r"(?:to|in order to) (?:have|get|ensure|complete).{0,40}(?:message|e-?mail|mail).{0,20}deliver"
    r"|(?:verify|prove|confirm) (?:that )?you(?:'re| are) (?:a )?(?:human|real|person|not)"
    r"|approved senders?|guest ?list"
    r"|one[- ]time (?:verification|confirmation)|challenge[- ]response|anti-?spam.{0,60}(?:confirm|verif|reply)"
    r"|(?:message|e-?mail|mail) (?:is being held|has been (?:held|quarantined)|will be (?:held|delivered)).{0,80}"
    r"(?:confirm|verif|repl|click)",
    re.IGNORECASE | re.DOTALL,
)

_LEAVES = (
    r"unsubscribe(?: me)?(?: please)?|please unsubscribe(?: me)?(?: from .{0,60})?|unsubscribe me from .{0,60}",
    r"opt[- ]?out|stop|(?:please )?(?:remove|delete|take) me(?: off| from| out of)?(?: .{0,60})?",
    r"(?:please )?remove(?: (?:my|this) (?:e-?mail|address|name).{0,60})?",
    r"stop (?:e-?mailing|contacting|writing|sending|spamming|messaging).{0,60}",
    r"(?:please )?do(?:n't| not) (?:e-?mail|contact|write|send|message).{0,60}",
    r"(?:bitte )?(?:abmelden|austragen|abbestellen|löschen)|bitte .{0,60}(?:abmelden|austragen|entfernen|löschen)",
    r"keine (?:weiteren )?(?:e-?mails|mails|werbung).{0,40}",
    r"(?:se )?d[ée]s(?:abonner|inscrire|inscription|abonnement)(?: moi)?",
    r"(?:merci de )?(?:me )?(?:d[ée]sinscrire|d[ée]sabonner|retirer).{0,60}|(?:darme de )?baja|dar de baja.{0,40}",
    r"(?:por favor )?d[ée]nme de baja.{0,40}|cancella(?:mi|rmi|zione|tevi)?.{0,40}|disiscriv\w*.{0,40}",
    r"rimuov\w*.{0,40}|uitschrijven|afmelden|descadastrar.{0,40}|remover.{0,40}|avregistrera.{0,30}",
    r"avmeld\w*.{0,30}|wypisz.{0,40}|отписаться|отпишите.{0,40}|配信停止.{0,20}|退订",
)
LEAVE = re.compile(rf"(?:(?:hi|hello|hey|hallo|bonjour|hola|ciao)[ ,.!]*)?(?:{'|'.join(_LEAVES)})", re.IGNORECASE)
"""To be matched in full against a short text: a sentence that merely holds such a word is a reply."""
