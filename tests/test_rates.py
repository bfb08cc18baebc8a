import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rates import Rates, network


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_allowance_is_used_at_once_or_spread_and_grows_back() -> None:
    clock = Clock()
    rates = Rates(120, clock)  # two a second, sixty at once
    assert [rates.take("a") for _ in range(60)] == [0.0] * 60
    assert rates.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert rates.take("a") == 0
    assert rates.take("a") > 0
    clock.now += 1_000
    assert sum(rates.take("a") == 0 for _ in range(100)) == 60


def test_one_who_has_used_up_his_takes_nothing_from_another() -> None:
    rates = Rates(2, Clock())
    assert rates.take("a") == 0
    assert rates.take("a") == pytest.approx(30)
    assert rates.take("b") == 0


def test_several_at_once_cost_as_much_as_one_after_another() -> None:
    clock = Clock()
    rates = Rates(60, clock)  # thirty at once
    assert rates.take("a", 20) == 0
    assert rates.take("a", 20) == pytest.approx(10)
    assert rates.take("a", 10) == 0
    assert rates.take("b", 64) == 0, "more than a whole bucket is for who has used nothing"
    assert rates.take("b", 1) == pytest.approx(35)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5)), max_size=60))
def test_no_more_than_the_burst_and_the_rate_is_ever_allowed(calls: list[tuple[float, int]]) -> None:
    clock = Clock()
    rates = Rates(60, clock)
    allowed = 0
    for pause, requests in calls:
        clock.now += pause
        if rates.take("a", requests) == 0:
            allowed += requests
    assert allowed <= 30 + clock.now - Clock.now + 1e-6


def test_memory_is_bounded_and_the_least_used_goes() -> None:
    rates = Rates(1, Clock(), most=100)
    assert rates.take("first") == 0
    for number in range(50):
        rates.take(f"a{number}")
        assert rates.take("first") > 0
    for number in range(100_000):
        rates.take(f"b{number}")
    assert len(rates._full) == 100
    assert rates.take("first") == 0, "forgotten"


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_stands_for_one_visitor(address: str, stands_for: str) -> None:
    assert network(address) == stands_for
