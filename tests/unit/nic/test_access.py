"""Elements behind a selector, as the 82599's drop enable by queue is."""

from __future__ import annotations

import pytest

from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.access import read_register, write_register
from hpcapvf.nic.registers_10g import TABLES_10G
from tests.fakes.selected import Selected

TABLE = TABLES_10G[0]
QDE = TABLE.register("QDE")


class Window:
    """Only QDE. intruder: the element that somebody else selects before each of the next looks."""

    def __init__(self) -> None:
        self.selected = Selected(QDE)
        self.intruder: list[int] = []

    def read(self, offset: int) -> int:
        assert offset == 0x2F04
        if self.intruder:
            self.selected.write(self.intruder.pop() << 8 | 1 << 17)
        return self.selected.read()

    def write(self, offset: int, value: int) -> None:
        assert offset == 0x2F04
        self.selected.write(value)


def test_each_element_is_its_own() -> None:
    window = Window()
    write_register(window, TABLE, "QDE", 7, 1)
    write_register(window, TABLE, "QDE", 127, 3)
    assert [read_register(window, TABLE, "QDE", n) for n in (6, 7, 8, 127)] == [0, 1, 0, 3]
    write_register(window, TABLE, "QDE", 7, 0)
    assert [read_register(window, TABLE, "QDE", n) for n in (7, 127)] == [0, 3]


def test_what_another_selected_meanwhile_is_not_taken_for_ours() -> None:
    window = Window()
    write_register(window, TABLE, "QDE", 9, 1)
    window.intruder = [9, 9]
    assert read_register(window, TABLE, "QDE", 8) == 0
    window.intruder = [9, 9, 9]
    with pytest.raises(RegisterRefused, match="QDE of 82599 does not answer for element 8"):
        read_register(window, TABLE, "QDE", 8)


@pytest.mark.parametrize("index", [-1, 128])
def test_there_are_128(index: int) -> None:
    with pytest.raises(RegisterRefused, match="does not exist"):
        read_register(Window(), TABLE, "QDE", index)
