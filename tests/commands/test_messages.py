"""Mistakes are answered as messages.txt has it, which a person reads in one go."""

import pytest

from experiments.reliability import messages

SECTIONS = messages.stored()


@pytest.mark.parametrize("section", SECTIONS)
def test_mistakes_are_answered_as_the_file_has_it(section):
    expected = {case.command: case.answer for case in SECTIONS[section]}
    assert messages.told(expected) == expected


def test_the_file_has_every_mistake_once_and_an_answer_to_each():
    cases = [case for section in SECTIONS.values() for case in section]
    assert len({case.command for case in cases}) == len(cases) >= 60
    for case in cases:
        assert case.answer.startswith("[2] sslax"), case.command
