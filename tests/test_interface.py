"""A change of a public name, an argument, a default or an option is a decision."""

import interface


def test_the_interface_is_the_one_that_was_decided_on():
    hint = "If that is meant, say so in CHANGELOG.md, and type: python tests/interface.py"
    pinned = interface.PINNED.read_text(encoding="utf-8").splitlines()
    now = interface.lines()
    assert sorted(set(now) - set(pinned)) == sorted(set(pinned) - set(now)) == [], hint
    assert now == pinned, hint
