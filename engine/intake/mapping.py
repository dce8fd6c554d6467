"""Which column of a table is the address, and under which field names the others reach the templates."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence

from storage.errors import UsageError

EMAIL = "email"
GROUPED_ROWS = "rows"
"""The field that holds the list of rows when rows are grouped by address; no column may be named so."""
_EMAIL_TITLES = (
    "email email_address e_mail e_mail_address emailaddress mail mail_address email_adresse e_mail_adresse "
    "mailadresse adresse_email adresse_e_mail adresse_mail courriel adresse_electronique correo "
    "correo_electronico indirizzo_email posta_elettronica emailadres e_mailadres epost e_post epostadress "
    "sahkoposti eposta e_posta adres_email adres_e_mail endereco_de_email почта электронная_почта "
    "メール メールアドレス 邮箱 電子メール 电子邮件 recipient to address adresse adres direccion indirizzo"
)
_EMAIL_NAMES = tuple(_EMAIL_TITLES.split())
"""Best name first: a plain `address` is taken only where nothing says mail more clearly."""
_PROFILE_NAMES = (
    "profile", "linkedin_profile", "linked_in_profile", "linkedin_profile_url", "linked_in_profile_url",
    "linkedin_url", "linked_in_url", "person_linkedin_url", "person_linked_in_url", "linkedin", "linked_in",
    "profile_url", "public_profile_url",
)  # fmt: skip
"""Names of the field that holds a LinkedIn profile, best first; they stay the names under which templates know it."""
_SYNONYMS = {
    "first_name": "firstname given_name givenname fname forename vorname prenom nombre voornaam fornavn fornamn imie",
    "last_name": "lastname surname family_name familyname lname nachname familienname nom_de_famille apellido "
    "apellidos cognome achternaam etternavn efternamn nazwisko",
    "company": "company_name organisation organization firma unternehmen entreprise societe empresa azienda bedrijf",
}
_FIELD_OF = {name: field for field, names in _SYNONYMS.items() for name in names.split()}
_RESERVED = {"and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "loop"}


def field_name(column: str) -> str:
    """A column's title as a template name: `First Name` is first_name; empty when no letter or digit is in it."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    # Accents leave Latin letters only: without its marks a Cyrillic or Japanese word would be another one.
    plain = re.sub("(?<=[A-Za-z])[\u0300-\u036f]+", "", unicodedata.normalize("NFKD", spaced))
    name = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", plain).casefold()).strip("_")
    if not name:
        return ""
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED or name == GROUPED_ROWS:
        name = f"field_{name}"
    return name if name.isidentifier() else ""


def guess_mapping(columns: Sequence[str]) -> dict[str, str]:
    """Field by column, one for every column; the address column (if one is recognised) becomes `email`.

    Known titles in several languages become `first_name`, `last_name` and `company`, others their own name in
    snake_case. A name already taken gets `_2`, `_3`, ...; a title without letters becomes `column_N`.
    """
    return _complete(columns, {})


def profile_column(mapping: Mapping[str, str]) -> str:
    """The column that holds LinkedIn profiles, of a finished mapping; "" for none."""
    columns = {field: column for column, field in mapping.items()}
    return next((columns[name] for name in _PROFILE_NAMES if name in columns), "")


def resolve(
    columns: Sequence[str], wanted: Mapping[str, str], email_column: str | None, *, by_profile: bool = False
) -> dict[str, str]:
    """Check what the operator asked for (`column -> field`) and guess the rest. People are known by their address, or
    (`by_profile`) by their LinkedIn profile; that column must be there. Raises UsageError."""
    asked = dict(wanted)
    if email_column is not None:
        asked[email_column] = EMAIL
    listed = ", ".join(columns)
    fixed: dict[str, str] = {}
    for name, field in asked.items():
        column = _find_column(columns, name)
        if column is None:
            raise UsageError(f"There is no column {name!r} in the file.", hint=f"The columns are: {listed}.")
        if not field or field_name(field) != field:
            hint = f"Use letters, digits and underscores, such as {field_name(field) or 'first_name'!r}."
            raise UsageError(f"{field!r} cannot be the name of a field.", hint=hint)
        other = next((known for known, taken in fixed.items() if taken == field), column)
        if other != column:
            problem = f"The columns {other!r} and {column!r} are both mapped onto the field {field!r}."
            raise UsageError(problem, hint="Map each column onto a field of its own.")
        if fixed.setdefault(column, field) != field:
            problem = f"The column {column!r} is mapped onto both {fixed[column]!r} and {field!r}."
            raise UsageError(problem, hint="Map each column onto one field.")
    mapping = _complete(columns, fixed)
    if by_profile and not profile_column(mapping):
        hint = f"The columns are: {listed}. Name the right one with --map COLUMN=profile."
        raise UsageError("No column of the file looks like LinkedIn profiles.", hint=hint)
    if not by_profile and EMAIL not in mapping.values():
        hint = f"The columns are: {listed}. Name the right one with --map COLUMN=email."
        raise UsageError("No column of the file looks like e-mail addresses.", hint=hint)
    return mapping


def _complete(columns: Sequence[str], fixed: Mapping[str, str]) -> dict[str, str]:
    """The fixed fields, and a guess for every other column."""
    names = {column: field_name(column) for column in columns if column not in fixed}
    mapping = dict(fixed)
    taken = set(fixed.values())
    if EMAIL not in taken:
        ranked = [column for column, name in names.items() if name in _EMAIL_NAMES]
        if ranked:
            address = min(ranked, key=lambda column: _EMAIL_NAMES.index(names[column]))
            mapping[address] = EMAIL
            taken.add(EMAIL)
    for place, column in enumerate(columns, 1):
        if column in mapping:
            continue
        wanted = _FIELD_OF.get(names[column], names[column]) or f"column_{place}"
        name, copy = wanted, 1
        while name in taken:
            copy += 1
            name = f"{wanted}_{copy}"
        mapping[column] = name
        taken.add(name)
    return {column: mapping[column] for column in columns}


def _find_column(columns: Sequence[str], name: str) -> str | None:
    if name in columns:
        return name
    alike = [column for column in columns if column.casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None
