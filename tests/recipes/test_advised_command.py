import shlex
from pathlib import Path

from seg.advise.strategy import Choice
from seg.overrides import resolve
from seg.recipes.advised_command import said_of_target, transfer_command
from seg.recipes.source import Origin
from seg.runs import Run

CHOICE = Choice(("gradual",), ("augment.strength=1.5",), "")
WORDS = ["organ=pancreas", "data.root=my scans", "data.labels={pancreas:[2,3]}", "predict.flips=left_right",
         "model.encoder=resnet18", "model.weights=w.pth", "prepare.neighbours=0", "advise.draws=50", "runs.folder=r",
         "runs.name=first", "train.steps=7"]  # fmt: skip


def _back(command: str) -> list[str]:
    return [word for word in shlex.split(command) if "=" in word]


def test_the_command_leads_to_the_settings_it_was_made_from() -> None:
    settings = resolve(WORDS)
    command = transfer_command(settings, Origin("none"), CHOICE)
    assert command.startswith("seg transfer --from none --to pancreas --strategy gradual 'data.root=my scans' ")
    again = resolve(["organ=pancreas", *_back(command)])
    assert again.data == settings.data
    assert again.predict == settings.predict
    assert again.prepare == settings.prepare
    assert again.model.encoder == "resnet18"
    assert again.augment.strength == 1.5


def test_what_belongs_to_the_advice_or_comes_from_the_choice_is_left_out() -> None:
    said = said_of_target(resolve(WORDS), Origin("none"))
    assert not [word for word in said if word.startswith(("organ=", "advise.", "runs.name", "model.weights", "preset"))]


def test_a_run_gives_its_network_so_the_command_does_not() -> None:
    said = said_of_target(
        resolve(WORDS), Origin("liver", Run(Path("runs/liver")), Path("runs/liver/model.safetensors"))
    )
    assert not [
        word for word in said if word.startswith(("model.enc", "model.dec", "model.edge", "prepare.neighbours"))
    ]
    assert "model.weights=w.pth" in said
    assert "train.steps=7" in said


def test_a_preset_of_its_own_is_named_and_a_setting_of_the_choice_stands_once() -> None:
    settings = resolve([*WORDS, "preset=quick", "augment.strength=0.5"])
    command = transfer_command(settings, Origin("none"), CHOICE)
    assert "preset=quick" in command
    assert command.count("augment.strength") == 1
    assert command.endswith("augment.strength=1.5")


def test_organs_on_the_way_are_named_with_their_scans() -> None:
    settings = resolve(["organ=pancreas"])
    command = transfer_command(settings, Origin("liver"), CHOICE, {"spleen": "/scans"})
    assert "--via spleen --to pancreas" in command
    found = resolve(["organ=pancreas", *_back(command)])
    assert found.transfer.via_roots == {"spleen": "/scans"}
    assert "via_roots" not in transfer_command(settings, Origin("liver"), CHOICE, {"spleen": ""})
