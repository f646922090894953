import hashlib

from seg.digest import file_sha256, json_sha256


def test_a_files_digest_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"scan")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"scan").hexdigest()


def test_the_order_of_keys_does_not_matter_and_every_value_does():
    assert json_sha256({"a": 1, "b": [2]}) == json_sha256({"b": [2], "a": 1})
    assert json_sha256({"a": 1, "b": [2]}) != json_sha256({"a": 1, "b": [3]})
