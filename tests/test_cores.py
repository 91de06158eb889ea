"""Large work gets all threads, unless they make it slower; torch is left as it was."""

from __future__ import annotations

import threading

import pytest
import torch

from coarse_to_fine import cores
from coarse_to_fine.cores import JUDGED_S, LONGEST_RETRY_S, RETRY_S, SLOWER, cores_for


class Clock:
    """Stands still until it is told to go on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    own = Clock()
    monkeypatch.setattr(cores, "_clock", own)
    monkeypatch.setattr(cores, "_paces", {})
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield own
    torch.set_num_threads(before)


def threads_of(clock: Clock, seconds: float = 1.0, kind: str = "work", units: int = 100, least: int = 100) -> int:
    """How many threads some work got that took this long."""
    with cores_for(kind, units, least):
        threads = torch.get_num_threads()
        clock.now += seconds
    assert torch.get_num_threads() == 3
    return threads


def test_the_first_work_of_each_kind_is_timed_on_one_thread_and_the_others_get_all(clock):
    assert [threads_of(clock) for _ in range(3)] == [1, 3, 3]
    assert [threads_of(clock, kind="other") for _ in range(3)] == [1, 3, 3]


def test_short_work_gets_one_thread_and_says_nothing_of_the_others(clock):
    assert [threads_of(clock, units=99) for _ in range(3)] == [1, 1, 1]
    assert [threads_of(clock) for _ in range(2)] == [1, 3]
    assert threads_of(clock, units=0, least=0) == 1


def test_work_that_all_threads_make_slower_stays_on_one_for_a_while(clock):
    threads_of(clock)
    assert threads_of(clock, seconds=2 * (SLOWER + 0.1), units=200) == 3  # paces count, not times
    assert [threads_of(clock, seconds=RETRY_S / 4) for _ in range(5)] == [1, 1, 1, 1, 3]


def test_threads_that_are_slower_again_and_again_are_tried_less_and_less(clock):
    threads_of(clock)
    waits = []
    for _ in range(9):
        assert threads_of(clock, seconds=SLOWER + 0.1) == 3
        waits.append(cores._paces["work"].avoided_until - clock.now)
        clock.now += waits[-1]
    assert waits == pytest.approx([RETRY_S * 2**n for n in range(7)] + [LONGEST_RETRY_S] * 2)
    threads_of(clock)
    threads_of(clock, seconds=SLOWER + 0.1)
    assert cores._paces["work"].avoided_until == pytest.approx(clock.now + RETRY_S)


def test_work_that_is_a_little_slower_is_not_held_against_the_threads(clock):
    threads_of(clock)
    assert [threads_of(clock, seconds=SLOWER - 0.1) for _ in range(3)] == [3, 3, 3]


def test_one_slow_search_among_quick_ones_is_chance(clock):
    quick = JUDGED_S / 10
    threads_of(clock, seconds=quick)
    assert [threads_of(clock, seconds=each) for each in [quick] * 8 + [4 * quick] + [quick] * 8] == [3] * 17
    assert [threads_of(clock, seconds=2 * quick) for _ in range(7)] == [3] * 6 + [1]


def test_the_fastest_time_on_one_thread_is_what_counts(clock):
    """The first work also pays for memory that later work finds."""
    threads_of(clock, seconds=3.0)
    threads_of(clock, seconds=3.0 * SLOWER + 0.1)
    threads_of(clock, seconds=1.0)
    clock.now += RETRY_S
    assert [threads_of(clock, seconds=SLOWER + 0.1) for _ in range(2)] == [3, 1]


def test_a_failure_leaves_torch_and_the_cores_as_they_were(clock):
    for expected in (1, 3, 3):
        with pytest.raises(ValueError, match="failed"), cores_for("work", 100, 100):
            assert torch.get_num_threads() == expected
            raise ValueError("failed")
        assert torch.get_num_threads() == 3


def test_a_second_thread_and_work_within_work_do_not_wait_for_the_cores(clock):
    threads_of(clock)
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        torch.set_num_threads(3)
        with cores_for("work", 100, 100):
            inside.set()
            go_on.wait(timeout=20)

    first = threading.Thread(target=hold)
    first.start()
    inside.wait(timeout=20)
    alone = threads_of(clock)
    go_on.set()
    first.join(timeout=20)
    assert alone == 1
    with cores_for("work", 100, 100):
        assert torch.get_num_threads() == 3
        assert threads_of(clock) == 1
    assert threads_of(clock) == 3


def test_one_thread_of_torch_is_left_alone(clock):
    torch.set_num_threads(1)
    with cores_for("work", 100, 100):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 1 and cores._paces == {}
