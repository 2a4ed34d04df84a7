from __future__ import annotations

import gzip
import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore import codec, tensor_file

ARRAYS = {
    "floats": np.array([1.5, np.nan, -0.0, np.inf]),
    "singles": np.arange(12, dtype=np.float32).reshape(3, 4),
    "halves": np.arange(3, dtype=np.float16),
    "ints": np.array([-(2**63), 2**63 - 1]),
    "codes": np.arange(5, dtype=np.int32),
    "small": np.arange(5, dtype=np.uint8),
    "large": np.array([2**64 - 1], dtype=np.uint64),
    "flags": np.array([True, False]),
    "names": np.array(["", "é", "物語", "a\0b", "trailing "]),
    "objects": np.array(["x", "yyy" * 100], dtype=object),
    "none": np.empty(0, dtype=np.float32),
    "no names": np.empty(0, dtype="U7"),
    "flat": np.empty((0, 4), dtype=np.int64),
}


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    header = {"text": "ü", "number": 0.1 + 0.2, "nested": {"list": [1, None, True]}}
    codec.write(tmp_path / "file", header, ARRAYS)
    read_header, arrays = codec.read(tmp_path / "file")
    assert read_header == header
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        if array.dtype.kind == "f":
            assert arrays[name].tobytes() == array.tobytes()
        else:
            np.testing.assert_array_equal(arrays[name], array)


def test_arrays_in_any_memory_order(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(4, 6)
    given_arrays = {"f": np.asfortranarray(array), "step": array[::2, ::-1], "big": array.astype(">f4")}
    given_arrays["locked"] = array.copy()
    given_arrays["locked"].flags.writeable = False
    codec.write(tmp_path / "file", {}, given_arrays)
    _, arrays = codec.read(tmp_path / "file")
    for name, wanted in given_arrays.items():
        np.testing.assert_array_equal(arrays[name], wanted)
        assert arrays[name].dtype.isnative


@given(st.lists(st.text(alphabet=st.characters(), max_size=6), max_size=12))
def test_any_string(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "strings"
    array = np.array(texts, dtype=object)
    codec.write(path, {}, {"ids": array})
    assert codec.read(path)[1]["ids"].tolist() == texts


def test_arrays_that_cannot_be_written(tmp_path: Path) -> None:
    for array in (np.array([1j]), np.array([b"x"]), np.array([1, "a"], dtype=object), np.array([["a"]])):
        with pytest.raises(TypeError, match="ids"):
            codec.write(tmp_path / "file", {}, {"ids": array})
    with pytest.raises(TypeError):
        codec.write(tmp_path / "file", {"x": object()}, {})
    with pytest.raises(OSError):
        codec.write(tmp_path / "no folder" / "file", {}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    codec.write(tmp_path / "file", {}, ARRAYS)
    (tmp_path / "other").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    codec.write(path, {"old": True}, {"x": np.arange(3)})

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        codec.write(path, {"old": False}, {"x": np.arange(4)})
    assert codec.read(path)[0] == {"old": True}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_later_format_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "FORMAT", 99)
    codec.write(tmp_path / "file", {}, {})
    monkeypatch.undo()
    with pytest.raises(cf.FileFormatError, match="format 99"):
        codec.read(tmp_path / "file")


def test_other_programs_read_the_arrays(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    given_arrays = {name: array for name, array in ARRAYS.items() if array.dtype.kind not in "UO"}
    codec.write(tmp_path / "file", {"a": "é"}, given_arrays)
    found = load_file(tmp_path / "file")
    assert found.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    # And the other way: files of earlier versions were written by the library.
    from safetensors import safe_open

    with safe_open(tmp_path / "file", framework="numpy") as file:
        save_file(found, tmp_path / "again", file.metadata())
    header, arrays = codec.read(tmp_path / "again")
    assert header == {"a": "é"}
    assert arrays.keys() == given_arrays.keys()


def test_file_objects(tmp_path: Path) -> None:
    codec.write(tmp_path / "file", {"a": 1}, ARRAYS)
    memory = io.BytesIO(b"before")
    memory.seek(6)
    codec.write(memory, {"a": 1}, ARRAYS)
    assert memory.getvalue()[6:] == (tmp_path / "file").read_bytes()
    memory.seek(6)
    with gzip.open(tmp_path / "zipped", "wb") as file:
        codec.write(file, {"a": 1}, ARRAYS)
    with open(tmp_path / "file", "rb") as plain, gzip.open(tmp_path / "zipped") as zipped:
        for source in (memory, plain, zipped):
            header, arrays = codec.read(source)
            assert header == {"a": 1}
            np.testing.assert_array_equal(arrays["names"], ARRAYS["names"])
            assert not source.closed
    with pytest.raises(TypeError, match="binary mode"):
        codec.write(io.StringIO(), {}, {})
    with open(tmp_path / "file", encoding="latin-1") as text, pytest.raises(TypeError, match="binary mode"):
        codec.read(text)  # type: ignore[arg-type]
    for wrong in (3, None, ["file"]):
        with pytest.raises(TypeError, match="a path or a file object"):
            codec.read(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a path or a file object"):
            codec.write(wrong, {}, {})  # type: ignore[arg-type]


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
def test_pipes_are_read_and_devices_refused(tmp_path: Path) -> None:
    codec.write(tmp_path / "file", {"a": 1}, ARRAYS)
    os.mkfifo(tmp_path / "pipe")
    content = (tmp_path / "file").read_bytes()
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content))
    writer.start()
    assert codec.read(tmp_path / "pipe")[0] == {"a": 1}
    writer.join(10)
    for device in ("/dev/null", "/dev/zero"):
        with pytest.raises(cf.FileFormatError, match="not a regular file"):
            codec.read(device)


def test_errors_have_the_name_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    codec.write("~/file", {"a": 1}, {})
    assert codec.read("~/file")[0] == {"a": 1}
    (tmp_path / "file").write_bytes(b"hello")
    with pytest.raises(cf.FileFormatError, match=r"^~/file: "):
        codec.read("~/file")
    with pytest.raises(FileNotFoundError) as caught:
        codec.write("~/nothing/file", {}, {})
    assert caught.value.filename == "~/nothing/file"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that had mapped it would be killed."""
    path = tmp_path / "file"
    codec.write(path, {}, {"x": np.arange(100_000)})
    read_tensors = codec.read_tensors

    def cut_short(file: Any, size: int) -> Any:
        os.truncate(path, 20_000)
        return read_tensors(file, size)

    monkeypatch.setattr(codec, "read_tensors", cut_short)
    with pytest.raises(cf.FileFormatError, match="truncated"):
        codec.read(path)


def test_large_arrays_of_a_mapped_file_stay_in_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    arrays = {
        "big": np.arange(20_000.0),
        "small": np.arange(3.0),
        "none": np.zeros((0, 4)),
        "ids": np.array(["a"]),
    }
    codec.write(path, {}, arrays)
    read, mapped = codec.read(path)[1], codec.read(path, mapped=True)[1]
    for name, array in arrays.items():
        np.testing.assert_array_equal(mapped[name], array)
        assert mapped[name].dtype == read[name].dtype
    assert not mapped["big"].flags.writeable
    assert mapped["small"].flags.writeable
    with open(path, "r+b") as file:  # what must not be done shows that the array is in the file
        file.seek(-20_000 * 8 - 8 * 4, os.SEEK_END)
        content = path.read_bytes()
        file.seek(content.index(np.arange(1.0, 3.0).tobytes()))
        file.write(np.array([77.0]).tobytes())
    assert mapped["big"][1] == 77
    assert read["big"][1] == 1
    with pytest.raises(cf.FileFormatError, match="checksum"):
        codec.read(path, mapped=True)


def test_arrays_of_whole_groups_are_aligned_to_them(tmp_path: Path) -> None:
    arrays = {
        "rows": np.zeros((5, 16), dtype=np.float32), "odd": np.zeros(7), "flags": np.zeros(3, dtype=bool),
        "whole": np.zeros(64, dtype=np.uint8), "more": np.zeros((3, 16_384), dtype=np.float32),
    }  # fmt: skip
    codec.write(tmp_path / "file", {}, arrays)
    for mapped in (False, True):
        read = codec.read(tmp_path / "file", mapped=mapped)[1]
        for name in ("rows", "whole", "more"):
            assert mapped is False or read[name].nbytes < 65536 or read[name].ctypes.data % 64 == 0
        assert all(array.flags.aligned for array in read.values())
    with open(tmp_path / "file", "rb") as file:
        table = tensor_file.read_table(file, (tmp_path / "file").stat().st_size)
    del table["__metadata__"]
    assert {name for name, one in table.items() if one["data_offsets"][0] % 64 == 0} >= {
        "rows",
        "whole",
        "more",
    }


def test_what_cannot_be_mapped_is_refused(tmp_path: Path) -> None:
    codec.write(tmp_path / "file", {}, {"x": np.arange(3)})
    with open(tmp_path / "file", "rb") as file, pytest.raises(TypeError, match="a path is wanted"):
        codec.read(file, mapped=True)
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(ValueError, match="a pipe cannot be mapped; leave out memory_map=True"):
        codec.read(tmp_path / "pipe", mapped=True)
    os.close(writer)
    (tmp_path / "empty").touch()
    with pytest.raises(cf.FileFormatError):
        codec.read(tmp_path / "empty", mapped=True)


def test_safetensors_of_other_programs(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.arange(3)}, tmp_path / "file")
    with pytest.raises(cf.FileFormatError, match="not one that cfcore wrote"):
        codec.read(tmp_path / "file")
    save_file({}, tmp_path / "file")
    with pytest.raises(cf.FileFormatError, match="not one that cfcore wrote"):
        codec.read(tmp_path / "file")
    save_file({"x": np.arange(3)}, tmp_path / "file", {"cfcore": "00000000 {"})
    with pytest.raises(cf.FileFormatError, match="damaged"):
        codec.read(tmp_path / "file")


def test_invalid_headers_are_refused(tmp_path: Path) -> None:
    """Complete files with a valid checksum, but a header that `write` does not write."""
    import json

    from safetensors.numpy import save_file

    def save(text: str) -> None:
        tensors = {"x": np.arange(3)}
        save_file(tensors, tmp_path / "file", {"cfcore": f"{codec.checksum(text, tensors)} {text}"})

    good = {"format": 1, "cfcore": "0", "dtypes": {"x": "<i8"}, "header": {}}
    save(json.dumps(good))
    assert codec.read(tmp_path / "file")[1]["x"].tolist() == [0, 1, 2]
    for bad in (
        "[" * 100_000,
        json.dumps(good | {"dtypes": {"x": "V2000000000"}}),
        json.dumps(good | {"dtypes": {"x": "<c16"}}),
        json.dumps(good | {"dtypes": ["x"]}),
        json.dumps(good | {"format": "1"}),
        json.dumps([good]),
    ):
        save(bad)
        with pytest.raises(cf.FileFormatError):
            codec.read(tmp_path / "file")


def test_every_changed_byte_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "file"
    codec.write(path, {"a": 1}, {"x": np.arange(4, dtype=np.int32), "ids": np.array(["ab", "c"])})
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x11
        path.write_bytes(damaged)
        with pytest.raises(cf.FileFormatError):
            codec.read(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_json_round_trip(value: Any) -> None:
    import json

    again = codec.from_json(json.loads(json.dumps(codec.to_json(value))))
    assert again == value
    assert repr(again) == repr(value)  # tuples stay tuples, 1 stays 1 and 1.0 stays 1.0


def test_json_of_numpy_objects() -> None:
    assert codec.to_json({"a": np.float32(0.5), "b": np.int64(3), "c": np.True_}) == {
        "a": 0.5,
        "b": 3,
        "c": True,
    }
    assert codec.from_json(codec.to_json(np.float32)) == np.dtype(np.float32)
    seed = np.random.SeedSequence(2**100, spawn_key=(1, 2))
    again = codec.from_json(codec.to_json(seed))
    np.testing.assert_array_equal(again.generate_state(4), seed.generate_state(4))
    for value in (print, {1: 2}, np.arange(3), {"$dtype": "x"}):
        with pytest.raises(TypeError, match="thing"):
            codec.to_json({"thing": value})
