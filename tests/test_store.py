import os
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import indexer.store
from indexer.store import EmbeddingStore


def key(name: str) -> bytes:
    return sha256(name.encode()).digest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of three payloads."""
    with EmbeddingStore(tmp_path / "deep" / "store") as store:
        for name in ("a", "b", "c"):
            store.add(key(name), name.encode() * 100)
    return tmp_path / "deep" / "store"


def held(path: Path) -> str:
    """The names of the payloads that a store gives back whole."""
    with EmbeddingStore(path) as store:
        found = [name for name in "abcd" if key(name) in store]
        assert all(store[key(name)] == name.encode() * 100 for name in found)
        assert len(store) == len(found)
        return "".join(found)


def test_what_was_added_is_there_the_next_time(path: Path) -> None:
    assert held(path) == "abc"


@given(st.data())
def test_a_store_cut_off_anywhere_holds_what_was_whole_and_takes_more(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store")
        with EmbeddingStore(path) as store:
            for name in "abc":
                store.add(key(name), name.encode() * 100)
        record = path.stat().st_size // 3
        cut = data.draw(st.integers(0, 3 * record))
        os.truncate(path, cut)
        assert held(path) == "abc"[: cut // record]
        with EmbeddingStore(path) as store:
            store.add(key("d"), b"d" * 100)
        assert held(path) == "abc"[: cut // record] + "d"


def test_a_payload_with_a_flipped_bit_is_not_there(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"bbbb") + 3] ^= 1
    path.write_bytes(damaged)
    assert held(path) == "ac"


def test_behind_a_damaged_header_nothing_is_believed(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(key("b"))] ^= 1
    path.write_bytes(damaged)
    assert held(path) == "a"


def test_a_file_that_is_no_store_is_one_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"something else, which is longer than a header is, by some bytes")
    with EmbeddingStore(tmp_path / "store") as store:
        store.add(key("a"), b"a" * 100)
    assert held(tmp_path / "store") == "a"


def test_without_a_file_nothing_stays() -> None:
    with EmbeddingStore(None) as store:
        store.add(key("a"), b"1")
        assert store[key("a")] == b"1"
    with EmbeddingStore(None) as store:
        assert key("a") not in store


def test_a_second_build_at_the_same_time_leaves_the_file_alone(path: Path) -> None:
    before = path.read_bytes()
    with EmbeddingStore(path) as first, EmbeddingStore(path) as second:
        assert (len(first), len(second)) == (3, 0)
        second.add(key("d"), b"d" * 100)
        second.keep([])
        assert second[key("d")] == b"d" * 100
    assert path.read_bytes() == before


def test_what_is_of_no_more_use_goes_once_it_is_much(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingStore(path) as store:
        store.keep({key("c")})
    assert held(path) == "abc"
    monkeypatch.setattr(indexer.store, "_SPARE", 0)
    with EmbeddingStore(path) as store:
        store.keep({key("c")})
        assert store[key("a")] == b"a" * 100  # as long as it is open
    assert held(path) == "c"
