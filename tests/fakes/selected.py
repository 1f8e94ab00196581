"""An array behind a selector, as the card has it (see ``hpcapvf.nic.registers.Selector``)."""

from __future__ import annotations

from hpcapvf.nic.registers import Register


class Selected:
    """elements: what each holds; the offset itself keeps the last word written, with the element that was asked for.
    stuck: elements do not change."""

    def __init__(self, register: Register) -> None:
        assert register.selector is not None
        self._selector = register.selector
        self._word = 0
        self.stuck = False
        self.elements = [0] * register.count

    def asks_only(self, word: int) -> bool:
        """Whether writing this changes no element."""
        return not word & self._selector.write.mask

    def write(self, word: int) -> None:
        """Set an element, or ask for one."""
        index = self._selector.index.extract(word)
        if word & self._selector.write.mask and not self.stuck:
            self.elements[index] = word & ~self._selector.mask
        self._word = word & self._selector.mask & ~self._selector.write.mask
        if word & self._selector.read.mask:
            self._word |= self.elements[index]

    def read(self) -> int:
        """The word."""
        return self._word
