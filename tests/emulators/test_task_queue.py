"""The queue model: due times, backoff, limits and names, told the time and touching nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.task_queue import (
    Outcome,
    RateLimits,
    RetryPolicy,
    Task,
    TaskExists,
    TaskGone,
    TaskNameReserved,
    TaskQueue,
    TaskUnknown,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DONE = Outcome(200)
BROKEN = Outcome(500)
UNLIMITED_RATE = RateLimits(500, 500, 5000)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def retry_policy(
    *,
    max_attempts: int = 100,
    max_retry_duration: float = 0,
    min_backoff: float = 0.1,
    max_backoff: float = 3600,
    max_doublings: int = 16,
) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=max_attempts,
        max_retry_duration=timedelta(seconds=max_retry_duration),
        min_backoff=timedelta(seconds=min_backoff),
        max_backoff=timedelta(seconds=max_backoff),
        max_doublings=max_doublings,
    )


def queue_of(limits: RateLimits = UNLIMITED_RATE, **retry: Any) -> TaskQueue[str]:
    return TaskQueue(limits, retry_policy(**retry), START)


def add(queue: TaskQueue[str], name: str, due: float = 0, now: float = 0) -> Task[str]:
    return queue.add(name, f"payload of {name}", after(due), after(now))


def taken(queue: TaskQueue[str], now: float) -> list[str]:
    return [task.name for task in queue.take_due(after(now))]


def test_the_documented_backoff_doubles_then_grows_linearly_then_stays() -> None:
    policy = retry_policy(min_backoff=10, max_backoff=300, max_doublings=3)
    delays = [policy.delay(failures).total_seconds() for failures in range(1, 10)]
    assert delays == [10, 20, 40, 80, 160, 240, 300, 300, 300]


def test_without_doublings_the_backoff_grows_linearly_from_the_start() -> None:
    policy = retry_policy(min_backoff=2, max_backoff=7, max_doublings=0)
    assert [policy.delay(n).total_seconds() for n in range(1, 6)] == [2, 4, 6, 7, 7]


@given(
    low=st.floats(0.001, 1000),
    factor=st.floats(1, 10_000),
    doublings=st.integers(0, 2**31 - 1),
    failures=st.integers(1, 2**31 - 1),
)
def test_every_backoff_lies_between_its_bounds_and_never_shrinks(
    low: float, factor: float, doublings: int, failures: int
) -> None:
    policy = retry_policy(min_backoff=low, max_backoff=low * factor, max_doublings=doublings)
    assert policy.min_backoff <= policy.delay(failures) <= policy.max_backoff
    assert policy.delay(failures) <= policy.delay(failures + 1)


@pytest.mark.parametrize(
    ("max_attempts", "max_retry_duration", "attempts", "elapsed", "exhausted"),
    [
        (3, 0, 2, 9999, False),
        (3, 0, 3, 0, True),
        (3, 60, 3, 59, False),  # both must be used up
        (3, 60, 2, 61, False),
        (3, 60, 3, 60, True),
        (-1, 60, 1, 59, False),
        (-1, 60, 1, 60, True),
        (-1, 0, 10**6, 10**6, False),
    ],
)
def test_a_task_is_given_up_when_attempts_and_duration_are_both_used_up(
    max_attempts: int, max_retry_duration: int, attempts: int, elapsed: int, exhausted: bool
) -> None:
    policy = retry_policy(max_attempts=max_attempts, max_retry_duration=max_retry_duration)
    assert policy.exhausted(attempts, START, after(elapsed)) is exhausted


def test_a_task_is_taken_once_it_is_due_and_not_a_microsecond_earlier() -> None:
    queue = queue_of()
    add(queue, "later", due=5)
    assert queue.next_wake(START) == after(5)
    assert taken(queue, 4.999999) == []
    assert taken(queue, 5) == ["later"]
    assert taken(queue, 5) == []


def test_a_schedule_time_in_the_past_becomes_now() -> None:
    assert add(queue_of(), "late", due=-60, now=3).schedule_time == after(3)


def test_tasks_are_taken_by_due_time_and_then_by_arrival() -> None:
    queue = queue_of()
    for name, due in [("c", 2), ("b", 1), ("d", 2), ("a", 3)]:
        add(queue, name, due)
    assert taken(queue, 10) == ["b", "c", "d", "a"]


def test_a_failed_attempt_comes_back_after_the_backoff_with_its_counts() -> None:
    queue = queue_of(min_backoff=10, max_backoff=300, max_doublings=3)
    add(queue, "t")
    now = 0.0
    for delay in (10, 20, 40, 80, 160, 240, 300, 300):
        (begun,) = queue.take_due(after(now))
        queue.finish(begun, BROKEN, after(now + 1))
        assert queue.next_wake(after(now + 1)) == after(now + 1 + delay)
        now += 1 + delay
    assert queue.get("t", after(now)).dispatch_count == 8


def test_counts_tell_responses_from_server_errors_and_silence() -> None:
    queue = queue_of(min_backoff=1, max_backoff=1)
    add(queue, "t")
    for second, outcome in enumerate((Outcome(404), Outcome(503), Outcome(504, responded=False))):
        (begun,) = queue.take_due(after(second))
        queue.finish(begun, outcome, after(second))
    task = queue.get("t", after(3))
    assert (task.dispatch_count, task.response_count, task.execution_count) == (3, 2, 1)
    assert task.previous_status == 504
    assert task.first_dispatch == START


def test_the_last_allowed_failure_takes_the_task_out() -> None:
    queue = queue_of(max_attempts=2, min_backoff=1, max_backoff=1)
    add(queue, "t")
    for second in (0, 1):
        (begun,) = queue.take_due(after(second))
        queue.finish(begun, BROKEN, after(second))
    with pytest.raises(TaskGone):
        queue.get("t", after(1))
    assert queue.next_wake(after(1)) is None


def test_a_tasks_own_retry_policy_stands_in_for_the_queues() -> None:
    queue = queue_of(max_attempts=50, min_backoff=60, max_backoff=60)
    queue.add("own", "p", START, START, retry=retry_policy(max_attempts=2, min_backoff=5, max_backoff=5))
    (begun,) = queue.take_due(START)
    queue.finish(begun, BROKEN, START)
    assert queue.next_wake(START) == after(5)
    (begun,) = queue.take_due(after(5))
    queue.finish(begun, BROKEN, after(5))
    with pytest.raises(TaskGone):
        queue.get("own", after(5))


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"), [(503, 30, 30), (429, 30, 30), (503, 1, 4), (500, 30, 4)]
)
def test_retry_after_lengthens_the_backoff_of_429_and_503_only(status: int, retry_after: int, expected: int) -> None:
    queue = queue_of(min_backoff=4, max_backoff=4)
    add(queue, "t")
    (begun,) = queue.take_due(START)
    queue.finish(begun, Outcome(status, retry_after=timedelta(seconds=retry_after)), START)
    assert queue.next_wake(START) == after(expected)


def test_the_token_bucket_lets_a_burst_through_and_then_keeps_the_rate() -> None:
    queue = queue_of(RateLimits(10, 3, 1000))
    for number in range(8):
        add(queue, f"t{number}")
    begun_at: list[float] = []
    now: datetime | None = START
    while now is not None:
        begun_at += [(now - START).total_seconds()] * len(queue.take_due(now))
        now = queue.next_wake(now)
    assert begun_at == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=1e-4)


def test_an_idle_queue_saves_up_no_more_than_a_burst() -> None:
    queue = queue_of(RateLimits(10, 3, 1000))
    for number in range(8):
        add(queue, f"t{number}", due=3600)
    assert len(taken(queue, 3600)) == 3


def test_a_lower_rate_holds_from_the_moment_it_is_set() -> None:
    queue = queue_of(RateLimits(100, 100, 1000))
    queue.configure(RateLimits(1, 1, 1000), queue.retry, START)
    add(queue, "a")
    add(queue, "b")
    assert taken(queue, 0) == ["a"]
    assert queue.next_wake(START) == pytest.approx(after(1), abs=timedelta(microseconds=2))


def test_concurrency_holds_tasks_back_until_an_attempt_ends() -> None:
    queue = queue_of(RateLimits(500, 500, 2))
    for name in "abc":
        add(queue, name)
    first, _ = queue.take_due(START)
    assert queue.next_wake(START) is None
    assert taken(queue, 1) == []
    queue.finish(first, DONE, after(2))
    assert taken(queue, 2) == ["c"]


def test_a_paused_queue_begins_nothing_by_itself_but_takes_tasks() -> None:
    queue = queue_of()
    queue.paused = True
    add(queue, "t")
    assert queue.next_wake(START) is None
    assert taken(queue, 60) == []
    queue.paused = False
    assert taken(queue, 60) == ["t"]


def test_force_ignores_schedule_pause_and_limits() -> None:
    queue = queue_of(RateLimits(1, 1, 1))
    add(queue, "busy")
    assert taken(queue, 0) == ["busy"]
    queue.paused = True
    add(queue, "t", due=3600)
    forced = queue.force("t", START)
    assert forced is not None
    assert forced.dispatch_count == 1


def test_a_forced_task_is_not_taken_again_when_its_old_time_comes() -> None:
    queue = queue_of()
    add(queue, "t", due=5)
    assert queue.force("t", START) is not None
    assert queue.force("t", after(1)) is None
    assert taken(queue, 5) == []
    assert queue.next_wake(after(5)) is None


def test_a_forced_attempt_that_fails_is_retried_counting_from_the_call() -> None:
    queue = queue_of(min_backoff=30, max_backoff=30)
    add(queue, "t", due=3600)
    forced = queue.force("t", after(100))
    assert forced is not None
    queue.finish(forced, BROKEN, after(110))
    assert queue.next_wake(after(110)) == after(130)
    (begun,) = queue.take_due(after(130))
    queue.finish(begun, BROKEN, after(140))  # the next is an ordinary one again
    assert queue.next_wake(after(140)) == after(170)


def test_deleting_a_running_task_lets_its_attempt_end_unheard() -> None:
    queue = queue_of(RateLimits(500, 500, 1))
    add(queue, "t")
    (begun,) = queue.take_due(START)
    queue.delete("t", START)
    add(queue, "next")
    assert taken(queue, 0) == []  # the attempt still takes its place
    queue.finish(begun, BROKEN, after(1))
    assert taken(queue, 1) == ["next"]
    with pytest.raises(TaskGone):
        queue.get("t", after(1))


def test_an_outcome_is_heard_once() -> None:
    queue = queue_of(RateLimits(500, 500, 1), min_backoff=1, max_backoff=1)
    add(queue, "t")
    (begun,) = queue.take_due(START)
    queue.finish(begun, BROKEN, START)
    (again,) = queue.take_due(after(1))
    queue.finish(begun, DONE, after(1))  # the first attempt's outcome, come twice
    assert queue.get("t", after(1)).running
    queue.finish(again, DONE, after(2))
    with pytest.raises(TaskGone):
        queue.get("t", after(2))


def test_the_outcome_of_a_deleted_task_does_not_touch_a_later_one_of_its_name() -> None:
    queue = queue_of()
    add(queue, "t")
    (begun,) = queue.take_due(START)
    queue.delete("t", START)
    later = add(queue, "t", now=3600)
    queue.finish(begun, DONE, after(3601))
    assert queue.get("t", after(3601)) == later


def test_a_name_is_taken_while_the_task_lives_and_an_hour_beyond() -> None:
    queue = queue_of()
    add(queue, "t")
    with pytest.raises(TaskExists):
        add(queue, "t")
    (begun,) = queue.take_due(START)
    queue.finish(begun, DONE, after(10))
    with pytest.raises(TaskNameReserved):
        add(queue, "t", now=3609)
    assert add(queue, "t", now=3610).dispatch_count == 0


def test_an_unknown_task_is_told_from_one_that_is_gone() -> None:
    queue = queue_of()
    add(queue, "t")
    queue.delete("t", START)
    with pytest.raises(TaskGone):
        queue.delete("t", START)
    with pytest.raises(TaskUnknown):
        queue.force("never", START)
    with pytest.raises(TaskUnknown):
        queue.get("t", after(3600))


def test_purge_takes_every_task_out_and_reserves_their_names() -> None:
    queue = queue_of()
    for number in range(5):
        add(queue, f"t{number}", due=number)
    queue.purge(START)
    assert queue.page("", 10) == []
    assert taken(queue, 60) == []
    with pytest.raises(TaskNameReserved):
        add(queue, "t0")


def test_pages_go_by_name_whatever_leaves_meanwhile() -> None:
    queue = queue_of()
    for name in "dbeac":
        add(queue, name)
    first = [task.name for task in queue.page("", 2)]
    queue.delete("b", START)
    assert first == ["a", "b"]
    assert [task.name for task in queue.page("b", 10)] == ["c", "d", "e"]


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "take", "force", "finish", "fail", "delete", "pause", "resume", "wait"]),
        st.integers(0, 5),
    ),
    max_size=60,
)


@given(operations)
def test_no_task_is_ever_under_way_twice_nor_past_the_limit(steps: list[tuple[str, int]]) -> None:
    limit = 3
    queue = queue_of(RateLimits(5, 2, limit), min_backoff=1, max_backoff=4, max_attempts=4)
    now = START
    under_way: list[Task[str]] = []
    for step, number in steps:
        name = f"t{number}"
        try:
            if step == "add":
                queue.add(name, "p", now + timedelta(seconds=number), now)
            elif step == "take":
                begun = queue.take_due(now)
                assert not (begun and queue.paused)
                assert all(task.schedule_time <= now for task in begun)
                under_way += begun
                assert not begun or len(under_way) <= limit
            elif step == "force" and (task := queue.force(name, now)):
                under_way.append(task)
            elif step in {"finish", "fail"} and under_way:
                queue.finish(under_way.pop(0), DONE if step == "finish" else BROKEN, now)
            elif step == "delete":
                queue.delete(name, now)
            elif step in {"pause", "resume"}:
                queue.paused = step == "pause"
            elif step == "wait":
                now += timedelta(seconds=number)
        except (TaskExists, TaskNameReserved, TaskGone, TaskUnknown):
            continue
        assert max(Counter(task.name for task in under_way).values(), default=0) <= 1
        wake = queue.next_wake(now)
        if wake is not None and wake <= now:
            continue
        assert queue.take_due(now) == [], "what is due must be announced by next_wake"


def test_every_task_comes_to_an_end_if_only_the_wake_times_are_followed() -> None:
    queue = queue_of(RateLimits(50, 10, 7), min_backoff=0.5, max_backoff=20, max_attempts=5)
    for number in range(2000):
        add(queue, f"t{number}", due=number % 60)
    attempts: Counter[str] = Counter()
    now: datetime | None = START
    while now is not None:
        for task in queue.take_due(now):
            attempts[task.name] += 1
            fails = int(task.name[1:]) % 3 > attempts[task.name] - 1
            queue.finish(task, BROKEN if fails else DONE, now)
        now = queue.next_wake(now)
    assert queue.page("", 10) == []
    assert all(count == int(name[1:]) % 3 + 1 for name, count in attempts.items())
    assert len(attempts) == 2000


def test_deleted_tasks_of_the_far_future_do_not_pile_up() -> None:
    queue = queue_of()
    for number in range(5000):
        add(queue, f"t{number}", due=86_400)
        queue.delete(f"t{number}", START)
    assert len(queue._schedule) < 200
