import pytest

from condattest.transport.closing import Closing


class Held(Closing):
    closed = 0

    def close(self):
        self.closed += 1


def test_it_is_closed_at_the_end_whatever_happens():
    with Held() as held:
        assert held.closed == 0
    assert held.closed == 1
    with pytest.raises(KeyError), held:
        raise KeyError
    assert held.closed == 2


def test_what_does_not_say_how_it_is_closed_is_none():
    with pytest.raises(TypeError):
        Closing()
