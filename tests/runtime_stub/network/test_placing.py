"""Where pods are put: the configured range, the one a caller has set, or a free one that is taken again."""

import logging

import pytest

from runtime_stub.network.placing import change_pod_range, pod_range, tell_of_pod_range


class Memory:
    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def setting(self, name: str) -> str | None:
        return self.settings.get(name)

    def change_setting(self, name: str, value: str) -> None:
        self.settings[name] = value


def test_a_range_that_was_chosen_is_chosen_again() -> None:
    memory = Memory()
    with pod_range("", memory) as first, pod_range("", Memory()) as other:
        assert first != other
    with pod_range("", memory) as again:
        assert again == first


def test_a_caller_wins_over_the_configuration_and_that_over_chance() -> None:
    memory = Memory()
    with pod_range("10.1.0.0/16", memory) as configured:
        assert configured == "10.1.0.0/16"
    change_pod_range("10.2.0.0/24", memory)
    with pod_range("10.1.0.0/16", memory) as given:
        assert given == "10.2.0.0/24"


@pytest.mark.parametrize(
    ("pod_cidr", "level", "words"),
    [
        ("127.77.0.0/16", logging.INFO, "this machine's processes reach them"),
        ("198.51.100.0/24", logging.WARNING, "ip route add local 198.51.100.0/24 dev lo"),
        ("2001:db8::/64", logging.WARNING, "ip -6 route add local 2001:db8::/64 dev lo"),
    ],
)
def test_the_log_says_whether_pods_can_be_reached(
    pod_cidr: str, level: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "runtime_stub.network.placing"):
        tell_of_pod_range(pod_cidr)

    assert [record.levelno for record in caplog.records] == [level]
    assert words in caplog.text
