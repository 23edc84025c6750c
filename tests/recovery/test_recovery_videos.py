"""AVI files of other writers: cut off, without index, with wrong lengths, OpenDML, other codecs."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from recovery.mending import contents, expect_all_kept, expect_sound, mend, tree
from roverd.formats.avi import AviWriter
from support.avi import (
    HEIGHT,
    JPEGS,
    MJPG_ALONE,
    SMALL_SEGMENT,
    WIDTH,
    MemoryFile,
    by_ffmpeg,
    frames_of_ffmpeg,
    load,
    truth,
)
from support.channels import avi_chunks, ffmpeg

BROKEN = (
    "idx1_missing.avi",
    "powercut_cv2_ffmpeg.avi",
    "powercut_cv2_native.avi",
    "riff_and_movi_size_zero.avi",
    "truncated_inside_frame20.avi",
)


def camera(path: Path, data: bytes, count: int, shape: tuple[int, ...]) -> Path:
    """A trace's camera with that video."""
    folder = path / "camera"
    folder.mkdir(parents=True)
    (path / "config.yaml").write_text("")
    (folder / "video.avi").write_bytes(data)
    np.arange(1.7e9, 1.7e9 + count).astype("<f8").tofile(folder / "ts")
    meta = {
        "ts": {"format": "raw", "type": "f8", "shape": []},
        "video.avi": {"format": "mjpg", "type": "u1", "shape": list(shape)},
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def size_of(data: bytes) -> tuple[int, int]:
    """Height and width, of the main header."""
    place = data.index(b"avih") + 8
    width, height = np.frombuffer(data[place + 32 : place + 40], "<u4").tolist()
    return height, width


def ffmpeg_count(path: Path, shape: tuple[int, int]) -> int:
    return len(frames_of_ffmpeg(str(path), shape[1], shape[0]))


@pytest.mark.parametrize("name", MJPG_ALONE)
def test_all_whole_frames_stay_byte_for_byte(tmp_path: Path, name: str):
    data = load(name)
    wanted = [data[offset : offset + size] for offset, size in truth(name, len(data))]
    shape = size_of(data)
    grey = "gray" in name
    folder = camera(tmp_path / "t", data, len(wanted), (*shape, 1 if grey else 3))
    before = contents(tmp_path / "t")
    report, rescued = mend(folder)
    assert (report.status, report.frames) == (0, len(wanted)), report
    after = (folder / "video.avi").read_bytes()
    mark = b"00dc" if b"00dc" in data else b"00db"
    found = avi_chunks(after, mark)
    assert [after[offset : offset + size] for offset, size in found] == wanted
    assert report.changed or name not in BROKEN
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(folder)
    # Another program now finds all frames, the dropped ones apart.
    shown = sum(bool(frame) for frame in wanted)
    assert ffmpeg_count(folder / "video.avi", shape) in (shown, len(wanted))


@pytest.mark.parametrize("name", ["opendml_2riff_16frames.avi", "plain_own_writer.avi"])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 15])
def test_a_video_that_is_longer_than_its_timestamps_is_cut(tmp_path: Path, name: str, count: int):
    data = load(name)
    wanted = [data[offset : offset + size] for offset, size in truth(name, len(data))]
    folder = camera(tmp_path / "t", data, count, (*size_of(data), 3))
    before = contents(tmp_path / "t")
    report, rescued = mend(folder)
    assert (report.status, report.frames, report.lost) == (3, count, len(wanted) - count)
    after = (folder / "video.avi").read_bytes()
    assert [after[o : o + s] for o, s in avi_chunks(after)] == wanted[:count]
    if count:
        assert ffmpeg_count(folder / "video.avi", size_of(data)) == count
    expect_all_kept(before, tmp_path / "t", rescued)
    expect_sound(folder)


@pytest.mark.parametrize("segments", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("state", ["open", "finished"])
def test_our_own_videos_are_completed_wherever_they_end(tmp_path: Path, segments: int, state: str):
    file = MemoryFile()
    limit = SMALL_SEGMENT if segments > 1 else 1 << 30
    writer = AviWriter(WIDTH, HEIGHT, 25.0, segment_limit=limit)
    file.apply(writer.start())
    for number in range(12):
        file.apply(writer.add(JPEGS[number]))
    if state == "finished":
        file.apply(writer.finish())
    whole = bytes(file.data)
    for size in range(len(whole) - 5000, len(whole) + 1, 997):
        data = whole[:size]
        left = len(avi_chunks(data))
        folder = camera(tmp_path / f"{size}", data, left, (HEIGHT, WIDTH, 3))
        report, rescued = mend(folder)
        assert (report.status, report.frames) == (0, left)
        if left:
            assert by_ffmpeg(str(folder / "video.avi")) == list(range(left))
        expect_all_kept(
            {**contents(tmp_path / f"{size}"), "camera/video.avi": data},
            tmp_path / f"{size}",
            rescued,
        )
        expect_sound(folder)


def test_several_streams_are_left_unless_they_have_to_be_cut(tmp_path: Path):
    name = "ffmpeg_with_audio_first.avi"
    data = load(name)
    left = data[:-4000]
    folder = camera(tmp_path / "t", left, len(truth(name, len(left))), (*size_of(data), 3))
    video = (folder / "video.avi").read_bytes()
    report, _ = mend(folder)
    (channel,) = [channel for channel in report.channels if channel.name == "video.avi"]
    assert "expected a file of one MJPG stream" in channel.note
    assert report.status == 0
    assert (folder / "video.avi").read_bytes() == video
    os.truncate(folder / "ts", 16)
    report, rescued = mend(folder)
    assert (report.status, report.frames) == (1, 2)
    assert str(folder / "video.avi") in report.problems[0]
    assert (folder / "video.avi").read_bytes() == video
    assert rescued is None


def test_another_codec_that_reads_well_is_left(tmp_path: Path):
    path = tmp_path / "other.avi"
    source = "testsrc=size=64x48:rate=10:duration=1"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "ffv1", str(path))
    data = path.read_bytes()
    folder = camera(tmp_path / "t", data, 10, (48, 64, 3))
    expect_sound(folder)
    (folder / "video.avi").write_bytes(data[: data.index(b"idx1")])
    before = tree(tmp_path / "t")
    report, _ = mend(folder)
    assert report.status == 0
    assert report.channels[1].note
    assert tree(tmp_path / "t") == before


def test_a_file_that_is_no_video_is_left(tmp_path: Path):
    folder = camera(tmp_path / "t", b"not a video at all" * 10, 5, (48, 64, 3))
    before = tree(tmp_path / "t")
    report, _ = mend(folder)
    assert report.status == 1
    assert str(folder / "video.avi") in report.problems[0]
    assert tree(tmp_path / "t") == before
