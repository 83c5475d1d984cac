import zipfile

import pytest

from tfrec.datasets.sources.archives import check_zip, reachable

MEMBERS = ("ml/ratings.csv",)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "ml.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("ml/ratings.csv", "userId,movieId\n" * 1000)
    return path


def test_a_sound_archive_passes(archive):
    check_zip(archive, MEMBERS)


def test_damage_is_one_sentence(archive):
    whole = archive.read_bytes()
    for broken in (whole[:-30], whole[:60], b"", b"<html>404</html>"):
        archive.write_bytes(broken)
        with pytest.raises(
            ValueError, match=r"ml.zip is damaged .*download it"
        ) as error:
            check_zip(archive, MEMBERS)
        assert "\n" not in str(error.value)
    middle = 50
    changed = whole[:middle] + bytes([whole[middle] ^ 85]) + whole[middle + 1 :]
    archive.write_bytes(changed)
    with pytest.raises(ValueError, match=r"ml.zip is damaged"):
        check_zip(archive, MEMBERS)


def test_another_archive(archive):
    with pytest.raises(ValueError, match=r"lacks 'ml/movies.csv', so it is another"):
        check_zip(archive, ("ml/movies.csv",))


@pytest.mark.parametrize("name", ["../out.csv", "/etc/out.csv", "a/../../b", "c:\\x"])
def test_paths_that_leave_the_folder(archive, name):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, "x")
    with pytest.raises(ValueError, match="leaves its folder"):
        check_zip(archive, MEMBERS)


def test_nobody_at_the_other_end():
    assert not reachable("http://127.0.0.1:9/")
