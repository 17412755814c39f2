"""core.files: nothing a foreign file says may hurt, nothing we write may be seen half done."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from brainview.core import files
from brainview.core.errors import FormatError, LimitError, MissingError

# --- regular_file


def test_regular_file_passes_a_file_and_one_link(tmp_path: Path) -> None:
    real = tmp_path / "a"
    real.write_bytes(b"x")
    link = tmp_path / "b"
    link.symlink_to("a")
    assert files.regular_file(real) == real
    assert files.regular_file(link) == link


def test_regular_file_refuses_chains_and_loops_of_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "self").symlink_to("self")
    for name in ("two", "a", "self"):
        with pytest.raises(FormatError, match="link"):
            files.regular_file(tmp_path / name)


@pytest.mark.parametrize("name", ["absent", "folder", "pipe", "empty", "nul\0name", "dangling"])
def test_regular_file_refuses_everything_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "dangling").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    with pytest.raises((FormatError, MissingError)) as caught:
        files.regular_file(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_regular_file_refuses_a_device() -> None:
    with pytest.raises(FormatError, match="regular"):
        files.regular_file("/dev/zero")


# --- check_allocation


def test_allocation_is_counted_in_whole_python_integers() -> None:
    assert files.check_allocation((3, 4), np.int16, where="x") == 24
    with pytest.raises(LimitError, match="GiB"):  # would be 0 in 64 bits
        files.check_allocation((2**32, 2**32), np.uint8, where="x")


def test_allocation_refuses_negative_and_truncated() -> None:
    with pytest.raises(FormatError, match="negative"):
        files.check_allocation((3, -1), np.uint8, where="x")
    with pytest.raises(FormatError, match="cut short"):
        files.check_allocation((10,), np.float32, where="x", available=39)
    assert files.check_allocation((10,), np.float32, where="x", available=40) == 40


# --- walk


def test_walk_is_sorted_bounded_and_enters_no_links(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    for path in (tmp_path / "1", tmp_path / "a" / "2", deep / "3"):
        path.write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert [p.name for p in files.walk(tmp_path)] == ["1", "2", "3"]
    assert [p.name for p in files.walk(tmp_path, depth=1)] == ["1", "2"]
    with pytest.raises(LimitError, match="more than 3 files"):
        list(files.walk(tmp_path, count=3))


def test_walk_does_not_list_a_huge_folder_before_counting_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = 0
    real = os.scandir

    class Counting:
        def __init__(self, path: str) -> None:
            self._inner = real(path)

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            self._inner.close()

        def __iter__(self):
            return self

        def __next__(self):
            nonlocal listed
            listed += 1
            return next(self._inner)

    for i in range(50):
        (tmp_path / f"{i:03}").write_bytes(b"x")
    monkeypatch.setattr(files.os, "scandir", Counting)
    with pytest.raises(LimitError):
        list(files.walk(tmp_path, count=10))
    assert listed <= 12


# --- writing


def test_atomic_write_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.bin"
    with files.atomic_write(target) as file:
        file.write(b"one")
        assert not target.exists()
    assert target.read_bytes() == b"one"

    def stop_halfway() -> None:
        with files.atomic_write(target) as file:
            file.write(b"half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        stop_halfway()
    assert target.read_bytes() == b"one"
    assert [p.name for p in target.parent.iterdir()] == ["file.bin"], "no temporary file is left"


def test_atomic_path_keeps_the_suffix_and_the_rights(tmp_path: Path) -> None:
    target = tmp_path / "x.nii.gz"
    with files.atomic_path(target, suffix=".nii.gz") as temporary:
        assert temporary.parent == tmp_path and temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"x")
    if os.name == "posix":
        umask = os.umask(0)
        os.umask(umask)
        assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_json_is_strict_and_survives_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    odd = b"bad\xff".decode("utf-8", "surrogateescape")
    files.write_json(path, {"nan": float("nan"), "inf": np.float32("inf"), "a": np.arange(2), "name": odd, 1: {3}})
    text = path.read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text) == {"nan": None, "inf": None, "a": [0, 1], "name": odd, "1": [3]}
    assert files.read_json(path)["name"] == odd


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe{", b"[" * 100_000])
def test_read_json_refuses_what_is_none(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(FormatError):
        files.read_json(path)


def test_read_text_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert files.read_text(path) == "abc"
    with pytest.raises(LimitError):
        files.read_text(path, limit=3)


# --- npy


def test_load_npy_maps_and_refuses(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    found = files.load_npy(path)
    assert isinstance(found, np.memmap) and found.shape == (2, 3)
    assert not isinstance(files.load_npy(path, mmap=False), np.memmap)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="cut short"):
        files.load_npy(path)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="objects"):
        files.load_npy(path)
    path.write_bytes(b"\x89PNG....")
    with pytest.raises(FormatError, match="npy"):
        files.load_npy(path)


def test_load_npy_refuses_a_header_that_lies(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n"
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64)
    with pytest.raises(FormatError, match="cut short"):
        files.load_npy(path)


def test_load_npy_without_mapping_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(1000))
    with pytest.raises(LimitError):
        files.load_npy(path, mmap=False, limit=1000)


# --- the pickled label tables of Algonauts


def _mapping(path: Path, payload: bytes) -> Path:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload)
    return path


def test_mapping_reads_what_algonauts_ships(tmp_path: Path) -> None:
    path = tmp_path / "mapping_x.npy"
    np.save(path, {0: "Unknown", np.int64(1): "V1v", 2: np.array([1, 2]), 3: np.float64(0.5)}, allow_pickle=True)
    found = files.load_npy_mapping(path)
    assert found[0] == "Unknown" and found[1] == "V1v" and found[3] == 0.5
    assert type(found[2]) is np.ndarray and found[2].tolist() == [1, 2]


class _Call:
    def __init__(self, function, *arguments) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("bad", [
    _Call(os.system, "touch pwned"), _Call(eval, "1+1"), _Call(np.fromfile, "/etc/passwd"),
    _Call(np.ndarray, (10**10,)), _Call(getattr, 1, "real"), _Call(pickle.loads, b"N."),
    _Call(np._core.multiarray._reconstruct, np.ndarray, (10**9,), b"d"),
])
def test_mapping_calls_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: _Call) -> None:
    monkeypatch.chdir(tmp_path)
    path = _mapping(tmp_path / "mapping.npy", pickle.dumps({0: bad}, protocol=4))
    with pytest.raises(FormatError, match="label table"):
        files.load_npy_mapping(path)
    assert not (tmp_path / "pwned").exists()


def test_mapping_compares_the_whole_pair_of_module_and_name(tmp_path: Path) -> None:
    for module, name in (("numpy", "load"), ("numpy.core", "dtype"), ("os", "ndarray"), ("numpy", "dtype.__call__"),
                         ("builtins", "dict")):
        payload = b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n."
        with pytest.raises(FormatError):
            files.load_npy_mapping(_mapping(tmp_path / "m.npy", payload))


@pytest.mark.parametrize("payload", [
    b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo number of two thousand million
    b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",  # a frame of 8 EiB
    b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",  # bytes of 64 PiB
    b"", b"\x80\x04", b"\x80\x04N.", b"\x80\x04]\x94.", b"\x80\x02Pid\n.", b"(" * 500_000 + b".",
])
def test_mapping_refuses_damage_without_paying_for_it(tmp_path: Path, payload: bytes) -> None:
    path = _mapping(tmp_path / "m.npy", payload)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            files.load_npy_mapping(path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_mapping_refuses_a_state_that_allocates(tmp_path: Path) -> None:
    class Huge:
        def __reduce__(self):
            return (np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"),
                    (1, (10**10,), np.dtype("O"), False, [1]))

    with pytest.raises(FormatError, match="label table"):
        files.load_npy_mapping(_mapping(tmp_path / "m.npy", pickle.dumps({0: Huge()})))


def test_mapping_is_limited_in_size(tmp_path: Path) -> None:
    path = _mapping(tmp_path / "m.npy", pickle.dumps({0: "x" * 2_000_000}))
    with pytest.raises(LimitError):
        files.load_npy_mapping(path)


def test_mapping_survives_flipped_bytes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, {0: "Unknown", 1: "V1v", 2: np.arange(3)}, allow_pickle=True)
    data = buffer.getvalue()
    rng = np.random.default_rng(1)
    path = tmp_path / "m.npy"
    refused = 0
    for _ in range(400):
        broken = bytearray(data)
        for place in rng.integers(6, len(data), 2):
            broken[place] = rng.integers(256)
        path.write_bytes(bytes(broken))
        try:
            files.load_npy_mapping(path)
        except FormatError:
            refused += 1
    assert refused > 100
    assert "brainview" in sys.modules
