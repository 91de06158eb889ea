"""A shared task covers its whole length, one thread an operation, and leaves torch as it was."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from coarse_to_fine.cores import one_thread_an_operation, share


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def parts_of(length: int, least: int) -> list[slice]:
    parts: list[slice] = []
    share(parts.append, length, least)
    return sorted(parts, key=lambda part: part.start)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 300, 1001])
def test_parts_cover_everything_once_and_are_not_too_short(length):
    parts = parts_of(length, least=5)
    assert [place for part in parts for place in range(part.start, part.stop)] == list(range(length))
    assert len(parts) == max(1, min(3, length // 5))


def test_every_part_computes_on_one_thread_and_without_gradients():
    seen = []
    weight = torch.ones(2, requires_grad=True)
    share(lambda part: seen.append((torch.get_num_threads(), (2 * weight).requires_grad)), 300, 1)
    share(lambda part: seen.append((torch.get_num_threads(), (2 * weight).requires_grad)), 1, 1)
    assert seen == [(1, False)] * 4
    assert torch.get_num_threads() == 3 and (2 * weight).requires_grad


def test_operations_before_a_shared_task_run_on_one_thread_and_the_task_on_all_cores():
    with one_thread_an_operation():
        assert torch.get_num_threads() == 1
        with one_thread_an_operation():
            assert len(parts_of(300, 1)) == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    assert len(parts_of(300, 1)) == 3


def test_another_device_gets_everything_at_once_and_threads_are_left_alone():
    seen = []
    share(lambda part: seen.append((part, torch.get_num_threads())), 300, 1, device="cuda")
    assert seen == [(slice(0, 300), 3)]


def test_a_failure_in_a_part_is_raised_and_the_next_task_is_shared_again():
    def fail(part: slice) -> None:
        raise ValueError(f"part {part.start}")

    with pytest.raises(ValueError, match="part 0"):
        share(fail, 300, 1)
    assert torch.get_num_threads() == 3
    assert len(parts_of(300, 1)) == 3


def test_a_failure_is_raised_when_no_part_is_at_work_any_more():
    """They write into memory of the caller, who goes on with the exception."""
    finished = []

    def work(part: slice) -> None:
        if part.start == 0:
            raise ValueError("the first part")
        time.sleep(0.2)
        finished.append(part)

    with pytest.raises(ValueError, match="the first part"):
        share(work, 300, 1)
    assert len(finished) == 2


def test_a_second_task_does_not_wait_for_the_first():
    inside, go_on = threading.Event(), threading.Event()

    def hold(part: slice) -> None:
        inside.set()
        go_on.wait(timeout=20)

    first = threading.Thread(target=share, args=(hold, 300, 1))
    torch.set_num_threads(3)  # also what the new thread begins with
    first.start()
    inside.wait(timeout=20)
    alone = parts_of(300, 1)
    go_on.set()
    first.join(timeout=20)
    assert alone == [slice(0, 300)]
    assert len(parts_of(300, 1)) == 3


def test_a_task_within_a_part_is_not_shared_again():
    inner: list[slice] = []
    share(lambda part: share(inner.append, 100, 1), 300, 1)
    assert inner == [slice(0, 100)] * 3
