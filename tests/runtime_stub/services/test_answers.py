"""Lists that are put together from encoded parts are what the messages would have been."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.services.answers import Listing, rfc3339


@dataclass(frozen=True)
class Record:
    id: str
    label: str


def view(record: Record) -> pb.PodSandbox:
    return pb.PodSandbox(id=record.id, labels={"label": record.label})


records = st.lists(
    st.builds(Record, st.text(max_size=5), st.text(max_size=400)), max_size=8, unique_by=lambda one: one.id
)


@given(records, records)
def test_the_wire_form_decodes_to_the_records_as_they_are_now(before: list[Record], now: list[Record]) -> None:
    listing: Listing[Record] = Listing(view)
    listing.wire_form(before, total=len(before))

    answer = pb.ListPodSandboxResponse.FromString(listing.wire_form(now, total=len(now)))

    assert list(answer.items) == [view(one) for one in now]


def test_encodings_of_what_is_gone_are_forgotten() -> None:
    listing: Listing[Record] = Listing(view)
    listing.wire_form([Record(str(number), "") for number in range(2000)], total=2000)
    listing.wire_form([], total=1)

    assert not listing._encoded


def test_what_was_learned_is_not_encoded_again_until_it_changes() -> None:
    viewed: list[Record] = []
    listing: Listing[Record] = Listing(lambda record: viewed.append(record) or view(record))  # type: ignore[func-returns-value]
    old, new = Record("a", "1"), Record("a", "2")
    listing.learn(old, total=1)
    listing.wire_form([old], total=1)
    listing.wire_form([new], total=1)

    assert viewed == [old, new]


def test_what_is_learned_of_passing_records_is_forgotten() -> None:
    listing: Listing[Record] = Listing(view)
    for number in range(2000):
        listing.learn(Record(str(number), ""), total=1)

    assert len(listing._encoded) < 1100


def test_times_are_written_to_the_second() -> None:
    assert rfc3339(1_700_000_000_999_999_999) == "2023-11-14T22:13:20Z"
