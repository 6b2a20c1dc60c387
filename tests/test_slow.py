"""The list of slow tests is of those that are marked so."""

import slow


def test_every_slow_test_is_listed_with_its_time():
    hint = "pytest -m slow --durations=0 > F; python tests/slow.py F"
    assert slow.listed().keys() == slow.marked(), hint
