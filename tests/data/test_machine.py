import resource
from pathlib import Path

import pytest

from seg.data.machine import free_memory_text, free_ram_bytes, gigabytes


def _machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n", "proc/self/statm": "100 50 1 1 0 1 0\n"}


def test_without_limits_the_machine_decides(tmp_path) -> None:
    assert free_ram_bytes(_machine(tmp_path, MACHINE)) == 4000 * 1024


@pytest.mark.parametrize(
    "group",
    [
        {"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/step/memory.max": "max\n",
         "sys/fs/cgroup/job/step/memory.current": "5\n",
         "sys/fs/cgroup/job/memory.max": "3000000\n", "sys/fs/cgroup/job/memory.current": "1500000\n",
         "sys/fs/cgroup/job/memory.stat": "anon 9\ninactive_file 500000\n"},
        {"proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n0::/\n",
         "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "3000000\n",
         "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000000\n"},
    ],
    ids=["version 2, a limit above", "version 1"],
)  # fmt: skip
def test_the_limit_of_a_container_counts(tmp_path, group) -> None:
    assert free_ram_bytes(_machine(tmp_path, {**MACHINE, **group})) == 2_000_000


def test_a_group_that_holds_more_than_its_limit_has_nothing_free(tmp_path) -> None:
    group = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "10", "sys/fs/cgroup/memory.current": "11"}
    assert free_ram_bytes(_machine(tmp_path, {**MACHINE, **group})) == 0


def test_the_limit_of_the_process_counts(tmp_path, monkeypatch) -> None:
    limit = 100 * resource.getpagesize() + 12345
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert free_ram_bytes(_machine(tmp_path, MACHINE)) == 12345


def test_what_a_system_does_not_say_is_unknown(tmp_path) -> None:
    assert free_ram_bytes(tmp_path) is None
    assert free_memory_text(tmp_path) == "free memory unknown"


def test_the_sentence_names_both_kinds_of_memory(tmp_path) -> None:
    (_machine(tmp_path, MACHINE) / "dev" / "shm").mkdir(parents=True)
    assert free_memory_text(tmp_path).startswith("0.00 GB of RAM and ")
    assert free_memory_text(tmp_path).endswith(" GB of /dev/shm free")


def test_this_machine_has_some_memory_left() -> None:
    assert (free_ram_bytes() or 1) > 0
    assert [gigabytes(count) for count in (1.23e10, 1.24e9, 5e7)] == ["12 GB", "1.2 GB", "0.05 GB"]
