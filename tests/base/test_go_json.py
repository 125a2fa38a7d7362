"""JSON as Go writes it."""

from kubeletsim.base.go_json import go_json


def test_values_are_compact_in_their_order_and_nothing_that_html_minds_is_left() -> None:
    assert go_json({"b": "ü <&>", "a": [1, "\u2028"]}) == '{"b":"ü \\u003c\\u0026\\u003e","a":[1,"\\u2028"]}'
