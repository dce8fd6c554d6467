"""From a JSON template and a person's fields to the body: the structure is the same for everybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.account_base import AccountBase
from engine.compose.errors import ComposeError, MissingField, OutputTooLarge, RenderError
from engine.compose.payload import MAX_DEPTH, PayloadFactory
from engine.compose.template import MAX_OUTPUT
from storage.nouns import Step

ORDER = """{
  "to": "{{ address }}",
  "name": "{first_name}",
  "greeting": "Dear {{ first_name | default('friend') }}{% if vip %}, welcome back{% endif %}",
  "orders": {"$number": "{{ orders | default('') }}"},
  "vip": {"$boolean": "{{ vip | default('no') }}"},
  "items": [1, 2.50, true, null, "{{ last }}", {"deep": ["{{ last }}"]}],
  "key": "{{ message_id }}"
}"""


class _Account(AccountBase):
    @property
    def name(self) -> str:
        return "hook"


def factory(text: str, **parts: Any) -> PayloadFactory:
    step = Step(1, 1, 1, parts.pop("subject", ""), text, parts.pop("html", ""), **parts)
    return PayloadFactory(step, _Account())


def body(text: str, **fields: object) -> str:
    built = factory(text).build(address="ada@example.org", fields=fields, message_id="<m1@example.com>", date=0)
    return built.content.decode()


def test_a_template_becomes_the_json_of_one_person() -> None:
    made = factory(ORDER, headers={"X-Campaign": "spring"})
    fields = {"first_name": "Zoë", "last": "O'Neil", "orders": 12, "vip": "Yes"}
    built = made.build(address="zoe@example.org", fields=fields, message_id="<m1@example.com>", date=0)
    assert json.loads(built.content) == {
        "to": "zoe@example.org",
        "name": "Zoë",
        "greeting": "Dear Zoë, welcome back",
        "orders": 12,
        "vip": True,
        "items": [1, 2.5, True, None, "O'Neil", {"deep": ["O'Neil"]}],
        "key": "m1@example.com",
    }
    assert (built.sender, built.recipient, built.message_id) == ("hook", "zoe@example.org", "<m1@example.com>")
    assert built.headers == (("X-Campaign", "spring"),)
    assert (made.fields, made.required) == ({"first_name", "last", "orders", "vip"}, {"first_name", "last"})


def test_constant_numbers_keep_their_digits() -> None:
    assert body('{"a": 0.10, "b": 12345678901234567890, "c": -1e-7}') == '{"a":0.10,"b":12345678901234567890,"c":-1e-7}'


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("number", "12", "12"), ("number", " -0.50 ", "-0.50"), ("number", 7, "7"), ("number", 1.5, "1.5"),
        ("number", "1E3", "1E3"), ("number", "12345678901234567890", "12345678901234567890"),
        ("boolean", "TRUE", "true"), ("boolean", "yes", "true"), ("boolean", 1, "true"), ("boolean", "no", "false"),
        ("boolean", "0", "false"),
    ],
)  # fmt: skip
def test_numbers_and_truth_values_have_a_form_of_their_own(kind: str, value: object, made: str) -> None:
    assert body(f'{{"x": {{"${kind}": "{{{{ f }}}}"}}}}', f=value) == f'{{"x":{made}}}'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "012"), ("number", "1,5"), ("number", "NaN"), ("number", "1}"), ("number", '1,"x":2'),
        ("number", "0x1"), ("number", "."), ("number", "١"), ("number", "-"), ("boolean", "maybe"), ("boolean", "2"),
        ("boolean", "true}"),
    ],
)  # fmt: skip
def test_what_is_no_number_or_truth_value_holds_the_message(kind: str, value: str) -> None:
    text = f'{{"x": {{"${kind}": "{{{{ f }}}}"}}}}'
    with pytest.raises(RenderError, match=r"/x must come out as .* \(field f\)") as caught:
        body(text, f=value)
    with pytest.raises(RenderError, match="/x"):
        factory(text).missing({"f": value})
    assert repr(value) not in caught.value.message


def test_an_empty_number_is_null_where_the_template_says_so() -> None:
    assert body("""{"x": {"$number": "{{ f | default('') }}"}}""") == '{"x":null}'
    with pytest.raises(MissingField, match="f"):
        body('{"x": {"$number": "{{ f }}"}}')


def test_all_missing_fields_are_named_at_once() -> None:
    with pytest.raises(MissingField) as caught:
        body('{"a": "{{ one }}", "b": {"$number": "{{ two }}"}, "c": ["{{ one }}", "{{ three }}"]}', two="")
    assert caught.value.names == ("one", "two", "three")
    made = factory('{"a": "{{ one }} {{ address }} {{ profile }}"}')
    assert made.missing({}) == ("one",)
    assert made.missing({"one": "1"}) == ()


def test_what_stands_for_a_person_is_supplied_and_a_column_of_that_name_wins() -> None:
    made = factory('["{{ address }}", "{{ profile }}", "{{ message_id }}"]')
    assert made.fields == frozenset()
    built = made.build(
        address="key-7", fields={"message_id": "forged"}, message_id="<m1@x>", date=0, profile="ada-lovelace"
    )
    assert json.loads(built.content) == ["key-7", "ada-lovelace", "m1@x"]
    built = made.build(address="key-7", fields={"address": "x", "profile": "y"}, message_id="<m1@x>", date=0)
    assert json.loads(built.content) == ["x", "y", "m1@x"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": }', "line 1, column 7", "not JSON: expecting value"),
        ('{\n  "a": "{{ x }}"\n  "b": 1}', "line 3, column 3", "not JSON: expecting ',' delimiter"),
        ('{"a":\n   "{{ x() }}"}', "line 2, column 4", "/a: calls are not allowed"),
        ('{"a": [1, {"b": "{% if %}"}]}', "line 1, column 17", "/a/1/b: "),
        ('{"a/b": "{{ x | safe }}"}', "line 1, column 9", "/a~1b: "),
        ('{"a": 1,\n "a": 2}', "line 2, column 2", "stands twice"),
        ('{"a": 1,\n "\\u0061": 2}', "line 2, column 2", "stands twice"),
        ('{"{{ x }}": 1}', "line 1, column 2", "the same for everybody"),
        ('{"x{y}": 1}', "line 1, column 2", "the same for everybody"),
        ("[1, NaN]", "line 1, column 5", "NaN is not JSON"),
        ("-Infinity", "line 1, column 1", "-Infinity is not JSON"),
        ('{"$number": 1}', "line 1, column 2", "$number stands alone"),
        ('{"$number": "{{ x }}", "b": 1}', "line 1, column 2", "$number stands alone"),
        ('{"b": 1, "$boolean": "{{ x }}"}', "line 1, column 10", "$boolean stands alone"),
        ('{"n": {"$number": "many"}}', "line 1, column 19", "must come out as a number"),
        ('{"a": "{{ x | default("y") }}"}', "line 1, column 24", "not JSON"),
        ('{"a": "line\nbreak"}', "line 1, column 12", "not JSON"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"line 1, column {MAX_DEPTH + 1}", "nested deeper"),
        ("[" * 100_000 + "]" * 100_000, "text", "nested too deeply"),
        (f"[{'9' * 5000}]", "text", "too long"),
        ("", "", "no text"),
        ("  \n", "", "no text"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_column(text: str, place: str, words: str) -> None:
    with pytest.raises(ComposeError) as caught:
        factory(text)
    assert place in caught.value.message
    assert words in caught.value.message


def test_a_quotation_mark_in_a_template_is_explained() -> None:
    with pytest.raises(ComposeError) as caught:
        factory('{"a": "{{ x | default("y") }}"}')
    assert "single quotes" in caught.value.hint
    assert body('{"a": "{{ x | default(\\"y\\") }}"}') == '{"a":"y"}'


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"subject": "Hello"}, "no subject"),
        ({"html": "<p>x</p>"}, "no html"),
        ({"attachments": ({"name": "a", "type": "text/plain", "data": ""},)}, "no attachments"),
        ({"headers": {"Host": "elsewhere.example"}}, "written by Paceline"),
        ({"headers": {"Content-Length": "5"}}, "written by Paceline"),
        ({"headers": {"X-Paceline-Signature": "t=1"}}, "written by Paceline"),
        ({"headers": {"X-Name": "{{ first_name }}"}}, "the same for everybody"),
        ({"headers": {"X-Name": "a\r\nX: b"}}, "one line"),
    ],
)
def test_what_a_webhook_does_not_have_is_refused_when_it_is_saved(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ComposeError, match=words):
        factory('{"a": 1}', **parts)


def test_a_body_has_a_limit() -> None:
    text = json.dumps(["{{ a }}", "{{ a }}"])
    with pytest.raises(OutputTooLarge):
        body(text, a="x" * (MAX_OUTPUT // 2))


HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        '"', '\\"', '","admin":true,"x":"', "\\", "\\u0022", '"}', "{{ message_id }}", "{% if x %}", "{address}",
        "\x00", "\u2028", "\ud800", "</script>", "null", "\r\n\r\n", "\x7f", '\\","a":"',
    ]
)  # fmt: skip


@given(
    first=HOSTILE, last=HOSTILE, vip=HOSTILE | st.booleans(), orders=HOSTILE | st.integers() | st.floats(), to=HOSTILE
)
def test_no_field_changes_the_structure(first: str, last: str, vip: object, orders: object, to: str) -> None:
    """Whatever stands in a field is found again as it was, in its own place, and nowhere else is anything different."""
    fields = {"first_name": first, "last": last, "vip": vip, "orders": orders}
    try:
        built = factory(ORDER).build(address=to, fields=fields, message_id="<m1@example.com>", date=0)
    except (MissingField, RenderError):
        return  # held, which is an answer too
    made = json.loads(built.content)
    assert list(made) == ["to", "name", "greeting", "orders", "vip", "items", "key"]
    assert made["name"] == first.encode("utf-8", "replace").decode()
    assert made["key"] == "m1@example.com"
    assert made["items"][:4] == [1, 2.5, True, None]
    assert made["items"][4:] == [made["items"][4], {"deep": [made["items"][4]]}]
    assert made["items"][4] == last.encode("utf-8", "replace").decode()
    assert made["orders"] is None or type(made["orders"]) in (int, float)
    assert type(made["vip"]) is bool


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_characters="{}$", exclude_categories=["Cs"]), max_size=8), inner,
                      max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON, st.integers(0, 3), st.booleans())
def test_json_without_fields_stays_what_it_is(document: Any, indent: int, escaped: bool) -> None:
    source = json.dumps(document, indent=indent or None, ensure_ascii=escaped)
    assert json.loads(body(source)) == document
