"""Templates: what is allowed, what counts as missing, and what data can never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compose.errors import ComposeError, MissingField, OutputTooLarge, RenderError, TemplateError
from engine.compose.syntax import Segment
from engine.compose.template import MAX_OUTPUT, compile_template
from storage.errors import UsageError

REFUSED = [
    "{{ f() }}",
    "{{ a.b }}",
    "{{ a['b'] }}",
    "{{ a[0] }}",
    "{{ ''.__class__ }}",
    "{{ a + b }}",
    "{{ a * 9 }}",
    "{{ -1 }}",
    "{{ a ~ b }}",
    "{{ a if b }}",
    "{{ a or b }}",
    "{{ (1, 2) }}",
    "{{ [1] }}",
    "{{ a | join }}",
    "{{ a | replace('x', 'y') }}",
    "{{ a | safe }}",
    "{{ a | upper(1) }}",
    "{{ a | default }}",
    "{{ a | default(b) }}",
    "{{ a | default('x', true) }}",
    "{{ a | _need }}",
    "{{ _missing }}",
    "{{ self }}",
    "{{ loop.index }}",
    "{{ rows }}",
    "{{ rows | upper }}",
    "{{ range(9) }}",
    "{{ a",
    "{{{name}}}",
    "{% raw %}{{ a }}{% endraw %}",
    "{% set a = 1 %}",
    "{% set a %}b{% endset %}",
    "{% with a = 1 %}{% endwith %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block a %}{% endblock %}",
    "{% macro a() %}{% endmacro %}",
    "{% call a() %}{% endcall %}",
    "{% filter upper %}a{% endfilter %}",
    "{% autoescape false %}{{ a }}{% endautoescape %}",
    "{% unknown %}",
    "{% if a is defined %}{% endif %}",
    "{% if a <= 3 %}{% endif %}",
    "{% if 1 < a < 3 %}{% endif %}",
    "{% if a in ['x'] %}{% endif %}",
    "{% if a() %}{% endif %}",
    "{% for x in rows %}{% endfor %}",
    "{% for item in names %}{% endfor %}",
    "{% for item in rows if item.a %}{% endfor %}",
    "{% for item in rows %}{% else %}x{% endfor %}",
    "{% for item in rows recursive %}{% endfor %}",
    "{% for item in rows %}{% for item in rows %}{% endfor %}{% endfor %}",
    "{% for item in rows %}{% endfor %}{% for item in rows %}{% endfor %}",
    "{% for item in rows %}{{ item }}{% endfor %}",
    "{% for item in rows %}{{ item.a.b }}{% endfor %}",
    "{% for item in rows %}{{ item._a }}{% endfor %}",
    "{% for item in rows %}{{ loop.cycle }}{% endfor %}",
    "{% for item in rows %}{{ loop }}{% endfor %}",
    "{{ " + "(" * 5000 + "a",
    "{{ " + "9" * 5000 + " }}",
    "{% if a %}" * 150 + "{% endif %}" * 150,
    "x" * (MAX_OUTPUT + 1),
]


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:40])
def test_what_is_not_on_the_list_is_refused_when_saved(source: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source)
    assert isinstance(caught.value, UsageError)
    assert caught.value.hint


def test_an_error_names_the_template_and_the_line() -> None:
    with pytest.raises(TemplateError, match="subject, line 3: calls are not allowed") as caught:
        compile_template("a\n{{ b }}\n{{ c() }}", name="subject")
    assert (caught.value.line, caught.value.template) == (3, "subject")


def test_short_and_long_form_mean_the_same() -> None:
    assert compile_template("Hi {first_name}!").segments == compile_template("Hi {{ first_name }}!").segments
    assert compile_template("Hi {first_name}!").render({"first_name": "Ann"}) == "Hi Ann!"


@pytest.mark.parametrize(
    "text", ["{ color }", "{ color: red }", "{color:red}", "{a b}", "{1a}", "{}", "{_x}", "{é}", "{a.b}"]
)
def test_other_braces_are_text(text: str) -> None:
    assert compile_template(text).render({}) == text


def test_style_blocks_keep_their_braces_in_html_only() -> None:
    source = "<style>a{b}{% if x %}c{d}{% endif %}</style>{e}<STYLE media=all>{f}</STYLE >{g}"
    assert compile_template(source, html=True).fields == {"x", "e", "g"}
    assert compile_template(source).fields == {"b", "d", "x", "e", "f", "g"}


def test_a_short_form_inside_an_expression_is_left_alone() -> None:
    assert compile_template('{{ "{name}" }}').render({}) == "{name}"


@pytest.mark.parametrize("empty", [None, "", "  ", "\n"])
@pytest.mark.parametrize("source", ["{a}", "{{ a | upper }}", "{% if true %}{{ a }}{% endif %}"])
def test_an_empty_field_is_missing(source: str, empty: object) -> None:
    with pytest.raises(MissingField) as caught:
        compile_template(source).render({"a": empty})
    assert caught.value.names == ("a",)


@pytest.mark.parametrize("fields", [{}, {"a": None}, {"a": ""}])
@pytest.mark.parametrize("source", ['{{ a | default("x") }}', '{{ a | lower | default("x") | upper | lower }}'])
def test_a_default_stands_for_missing_and_empty(source: str, fields: dict[str, object]) -> None:
    assert compile_template(source).render(fields) == "x"


def test_all_missing_names_come_at_once_and_once_each() -> None:
    template = compile_template("{b}{a}{b}{% if c %}{d}{% else %}{e}{% endif %}")
    assert template.missing({}) == ("b", "a", "e")
    assert template.missing({"a": "1", "b": "2", "c": "3", "d": "4"}) == ()


def test_fields_and_required_are_told_apart() -> None:
    template = compile_template(
        "{a}{{ b | default('') }}{% if c and d == e %}{f}{% endif %}{% for item in rows %}{{ item.g }}{h}{% endfor %}"
    )
    assert template.fields == {"a", "b", "c", "d", "e", "f", "h", "rows"}
    assert template.required == {"a", "h", "rows"}


@pytest.mark.parametrize(
    ("test", "fields", "expected"),
    [
        ("n > 5", {"n": "10"}, True),
        ("n < 5", {"n": 3}, True),
        ("n > 5", {}, False),
        ("n < 5", {}, False),
        ("n == 5", {"n": "5"}, True),
        ("n == 5", {"n": "five"}, False),
        ("n == '5'", {"n": "5.0"}, False),
        ("n != 'x'", {}, True),
        ("d < '2025-02-01'", {"d": "2025-01-31"}, True),
        ("'gold' in plan", {"plan": "gold plus"}, True),
        ("'gold' in plan", {}, False),
        ("'gold' not in plan", {"plan": "free"}, True),
        ("not a and b or c", {"c": "1"}, True),
        ("a | upper == 'X'", {"a": "x"}, True),
        ("flag == true", {"flag": True}, True),
        ("rows", {"rows": [{"a": 1}]}, True),
        ("rows", {"rows": []}, False),
    ],
)
def test_conditions_take_data_as_it_comes_from_a_sheet(test: str, fields: dict[str, object], expected: bool) -> None:
    assert compile_template(f"{{% if {test} %}}y{{% else %}}n{{% endif %}}").render(fields) == (
        "y" if expected else "n"
    )


def test_text_cannot_be_compared_with_a_number() -> None:
    with pytest.raises(RenderError, match="'many'"):
        compile_template("{% if n > 5 %}{% endif %}").render({"n": "many"})


def test_the_loop_reads_columns_whatever_their_names() -> None:
    template = compile_template(
        "{% for item in rows %}{{ loop.index }} {{ item.items | title }}{% if not loop.last %}, {% endif %}{% endfor %}"
    )
    assert template.render({"rows": [{"items": "red hat"}, {"items": 7}]}) == "1 Red Hat, 2 7"
    assert template.missing({"rows": [{"items": "a"}, {"keys": "b"}]}) == ("item.items",)
    assert template.missing({"rows": []}) == ("rows",)
    assert template.missing({"rows": "text"}) == ("rows",)


def test_data_is_never_a_template() -> None:
    hostile = "{{ 7 * 7 }}{% for x in y %}{b}"
    for source in ("{a}", "{{ a | trim }}", "{% for item in rows %}{{ item.a }}{% endfor %}"):
        fields = {"a": hostile, "rows": [{"a": hostile}]}
        assert compile_template(source).render(fields) == hostile


@pytest.mark.parametrize("source", ["{a}", "{{ a | trim }}", "{{ b | default('<&>') }}"])
def test_html_escapes_data_and_text_does_not(source: str) -> None:
    assert compile_template(source, html=True).render({"a": "<&>"}) == "&lt;&amp;&gt;"
    assert compile_template(source).render({"a": "<&>"}) == "<&>"


@pytest.mark.parametrize("value", [["x"], {"k": "v"}, object()])
def test_only_text_and_numbers_can_be_printed(value: object) -> None:
    for source in ("{a}", "{{ a | upper }}"):
        with pytest.raises(ComposeError, match="field a"):
            compile_template(source).render({"a": value})


def test_output_is_bounded() -> None:
    plain = compile_template("{a}" * 11)
    loop = compile_template("{% for item in rows %}{{ item.a }}{% endfor %}")
    with pytest.raises(OutputTooLarge):
        plain.render({"a": "é" * 50_000})
    with pytest.raises(OutputTooLarge):
        loop.render({"rows": [{"a": "x" * 1000}] * 1001})
    assert len(loop.render({"rows": [{"a": "x" * 1000}] * 1000})) == MAX_OUTPUT


def test_plain_substitution_is_split_beforehand() -> None:
    template = compile_template("Hi {a},\n{{ b | default(1) }}")
    assert template.segments == (Segment("Hi ", "a"), Segment(",\n", "b", "1"), Segment(""))
    assert template.values({"a": 2}) == ["2", "1"]
    assert compile_template("{{ a | upper }}").segments is None


@given(st.dictionaries(st.sampled_from("ab"), st.one_of(st.none(), st.text(), st.integers(), st.booleans())))
def test_the_split_form_renders_as_the_engine_does(fields: dict[str, object]) -> None:
    source = "<{a}>{{ b | default('-') }}"
    for html in (False, True):
        split = compile_template(source, html=html)
        engine = compile_template(source + "{% if false %}{% endif %}", html=html)
        assert engine.segments is None
        assert split.missing(fields) == engine.missing(fields)
        if not split.missing(fields):
            assert split.render(fields) == engine.render(fields)
